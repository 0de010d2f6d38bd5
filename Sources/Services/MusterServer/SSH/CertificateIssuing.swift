import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterCA
import MusterKeys
import MusterModel
import MusterPolicy
import MusterSigners
import MusterStore
import MusterTrust
import OpenSSHFormats

/// User certificates: a statement is verified, the policy decides, and the record is on disk before the certificate leaves.
struct CertificateIssuing: Sendable {
    let service: FleetService

    /// Most bytes of a statement: it has to fit into a certificate.
    static let byteLimit = SSHCertificate.byteLimit
    /// Most requests that may wait, from one place.
    static let waitingLimit = 32

    /// A statement that was read and verified.
    struct Verified: Sendable {
        let signed: SignedStatement
        let envelope: [UInt8]
        let body: SSHCertificateBody
        let signers: [StatementSigner]
        let keyExpiries: [UTCTime]
        let policy: FleetPolicy

        var names: [OperatorName] {
            let requester = signed.statement.requester
            return [requester] + signers.map(\.name).filter { $0 != requester }
        }

        var record: Record {
            Record(
                statement: signed.statement.id,
                requester: signed.statement.requester,
                targets: body.nodes.map(\.description)
            )
        }
    }

    // MARK: - Asking

    /// A new request, or one that is asked again because its answer was lost.
    func request(
        _ signed: SignedStatement,
        from origin: CertificateOrigin,
        at time: UTCTime
    ) async throws
        -> SSHCertificateReply
    {
        let publication = try service.repository.publication()
        let trust = try SSHSide.trust(publication)
        let verified = try verify(signed, publication, at: time)
        switch decide(verified, at: time) {
        case .refused(let why): throw Problem.refused(why)
        case .waiting(let missing): return try await wait(verified, missing, from: origin, at: time)
        case .allowed(let grant, let targets, let refusing):
            let order = order(verified, grant, targets, origin)
            return try await issue(order, verified, origin, trust, refusing, waited: false, at: time)
        }
    }

    /// Verifies a statement by itself: whose it is, for which fleet and time, and that nodes will take it.
    func verify(
        _ signed: SignedStatement,
        _ publication: Publication,
        at time: UTCTime
    ) throws(Problem) -> Verified {
        guard case .sshCertificate(let body) = signed.statement.body else {
            throw .malformed("a statement of type '\(signed.statement.type.rawValue)' asks for no certificate")
        }
        let policy = try StatementCheck(publication: publication, time: time).policy()
        let verdict = StatementVerifier.verify(signed, policy: policy, fleet: publication.fleet, time: time)
        if case .refused(let refusal) = verdict.outcome {
            throw refusal.code == .notAllowed ? .refused(refusal.message) : .notVerified(refusal.message)
        }
        let statement = signed.statement
        guard statement.expires <= statement.issued.adding(seconds: SSHCertificateBody.statementLifetime) else {
            throw .notVerified(
                "statement \(statement.id) lives longer than \(SSHCertificateBody.statementLifetime / 3600) hours: "
                    + "nodes would refuse it"
            )
        }
        return Verified(
            signed: signed,
            envelope: signed.json.canonicalBytes,
            body: body,
            signers: verdict.signers,
            keyExpiries: verdict.signers.compactMap { policy.owner(of: $0.key)?.key.expires },
            policy: policy
        )
    }

    func decide(_ verified: Verified, at time: UTCTime) -> CertificateDecision {
        CertificateDecision.decide(
            verified.signed.statement,
            verified.body,
            signers: Set(verified.names),
            policy: verified.policy,
            targets: targets(verified.body.nodes),
            time: time
        )
    }

    /// The nodes that the selectors may mean.
    private func targets(_ selectors: [NodeSelector]) -> [CertificateDecision.Target] {
        var single: [NodeRegister.Entry] = []
        for selector in selectors {
            guard case .node(let id) = selector else { return service.nodes.all.map { Self.target($0) } }
            if let entry = service.nodes[id] { single.append(entry) }
        }
        return single.map { Self.target($0) }
    }

    static func target(_ entry: NodeRegister.Entry) -> CertificateDecision.Target {
        CertificateDecision.Target(
            facts: entry.facts,
            name: entry.node.name,
            version: entry.report?.ssh.flatMap { OpenSSHVersion($0.sshdVersion) }
        )
    }

    func order(
        _ verified: Verified,
        _ grant: LoginGrant,
        _ targets: [CertificateDecision.Target],
        _ origin: CertificateOrigin
    ) -> UserCertificateOrder {
        UserCertificateOrder(
            statement: verified.signed,
            envelope: verified.envelope,
            grant: grant,
            keyExpiries: verified.keyExpiries,
            origin: origin.forOrder,
            targets: targets.compactMap(\.version)
        )
    }

    // MARK: - Issuing

    func issue(
        _ order: UserCertificateOrder,
        _ verified: Verified,
        _ origin: CertificateOrigin,
        _ trust: SSHTrust,
        _ refusing: [String],
        waited: Bool,
        at time: UTCTime
    ) async throws -> SSHCertificateReply {
        let made = try await make(order, trust, at: time)
        let stored = Self.stored(made, verified.record, origin, time)
        let isNew = try await record(stored, verified, waited: waited, at: time)
        guard isNew else { return try await repeated(verified.signed, from: origin, at: time) }
        service.ssh.polls.announce(verified.signed.statement.id)
        let detail = Self.detail(made.limit, refusing, time)
        return reply(verified.signed.statement.id, stored, line: made.certificate.line, trust, detail: detail, time)
    }

    /// A certificate that the user CA has just signed.
    struct Made: Sendable {
        let certificate: SSHCertificate
        let serial: Int64
        /// The CA's public key.
        let authority: [UInt8]
        /// What ends its validity first.
        let limit: UserCertificateOrder.Limit
    }

    /// Signs what was ordered, under a serial of its own; nothing of it is recorded yet.
    func make(_ order: UserCertificateOrder, _ trust: SSHTrust, at time: UTCTime) async throws -> Made {
        let authority = try SSHSide.signing(.user, trust, service.keys.authorities, at: time)
        var order = order
        // No certificate outlives its CA.
        order.keyExpiries.append(authority.expires)
        let limit: UserCertificateOrder.Limit
        do throws(CertificateRefusal) {
            // Before a serial is spent on it.
            (_, limit) = try order.end(at: time)
        } catch {
            throw Problem.refused(error.message)
        }
        let serial = try await service.ssh.serials.next()
        let certificate = try await authority.certificate(serial, at: time) { [order] in try order.certificate($0) }
        return Made(certificate: certificate, serial: serial, authority: authority.bytes, limit: limit)
    }

    /// Writes the record, its statement and its event; false where the statement was used before.
    private func record(
        _ stored: StoredCertificate,
        _ verified: Verified,
        waited: Bool,
        at time: UTCTime
    ) async throws -> Bool {
        let signed = verified.signed
        let envelope = verified.envelope
        let event = Self.event(stored, of: signed.statement.id, signers: verified.names)
        return try await service.store.grouped.write(returning: { transaction in
            if waited {
                guard var request = try transaction.certificateRequest(signed.statement.id) else { return false }
                request.state = .issued
                request.detail = ""
                guard try transaction.change(request) else { return false }
                try transaction.replace(signed)
            } else {
                guard try transaction.add(signed, envelope: envelope, received: time) else { return false }
            }
            guard try transaction.add(stored) else { return false }
            try Self.log(stored, event, transaction, at: time)
            return true
        })
    }

    /// What the register says of a certificate besides what it says itself.
    struct Record: Sendable {
        /// The statement; nil for a run's, which may have several: their key IDs name it.
        let statement: StatementID?
        let requester: OperatorName
        let targets: [String]
    }

    static func stored(
        _ made: Made,
        _ record: Record,
        _ origin: CertificateOrigin,
        _ time: UTCTime
    ) -> StoredCertificate {
        let content = made.certificate.content
        return StoredCertificate(
            serial: made.serial,
            kind: .user,
            keyID: content.keyID,
            statement: record.statement,
            requester: record.requester,
            node: origin.node,
            origin: origin.name,
            identity: origin.identity,
            principals: content.principals,
            targets: record.targets,
            fingerprint: content.publicKey.fingerprint,
            authority: made.authority,
            issued: time,
            validAfter: UTCTime(milliseconds: Int64(content.validAfter) * 1000),
            validBefore: UTCTime(milliseconds: Int64(content.validBefore) * 1000),
            certificate: made.certificate.blob
        )
    }

    static func event(
        _ stored: StoredCertificate,
        of statement: StatementID,
        signers: [OperatorName]
    ) -> JSONValue {
        var detail: JSONObject = [
            "serial": .integer(stored.serial), "key_id": .string(stored.keyID),
            "statement": JSONValue(statement), "signers": JSONValue(signers),
            "origin": .string(stored.origin), "identity": .string(stored.identity),
            "principals": .array(stored.principals.map { .string($0) }),
            "targets": .array(stored.targets.map { .string($0) }), "fingerprint": .string(stored.fingerprint),
            "valid_before": .integer(stored.validBefore.milliseconds),
        ]
        if let node = stored.node { detail["node"] = JSONValue(node) }
        return .object(detail)
    }

    /// Puts the event of a new certificate into the log.
    static func log(
        _ stored: StoredCertificate,
        _ event: JSONValue,
        _ transaction: StoreTransaction,
        at time: UTCTime
    ) throws {
        let actor = stored.requester?.text ?? ""
        try transaction.append(event: "ssh-certificate-issued", actor: actor, detail: event, at: time)
    }

    static func detail(_ limit: UserCertificateOrder.Limit, _ refusing: [String], _ time: UTCTime) -> String {
        var detail = limit == .asked ? "" : "it is shorter than was asked for: \(limit.words) ends first"
        guard let first = refusing.first else { return detail }
        if !detail.isEmpty { detail += "; " }
        let more = refusing.count > 1 ? " and \(refusing.count - 1) more" : ""
        return detail + "refused there: \(first)\(more)"
    }

    func reply(
        _ id: StatementID,
        _ stored: StoredCertificate,
        line: String?,
        _ trust: SSHTrust,
        detail: String,
        _ time: UTCTime
    ) -> SSHCertificateReply {
        SSHCertificateReply(
            state: .issued,
            id: id,
            serial: stored.serial,
            certificate: line,
            validBefore: stored.validBefore,
            hostAuthorities: trust.hostAuthorities.trusted(at: time).map(\.publicKey.line),
            detail: detail
        )
    }
}
