import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterCA
import MusterModel
import MusterPolicy
import MusterStore
import OpenSSHFormats

/// Revocations: in the register with their event, then in the KRL, then on their way to every node.
struct Revoking: Sendable {
    let service: FleetService

    /// `revoke`: what an operator's statement names.
    func revoke(
        _ signed: SignedStatement,
        _ body: RevokeBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) async throws -> StatementReply {
        let trust = try SSHSide.trust(check.publication)
        try check.require(signed.statement, signers: signers, node: nil)
        try Self.checkDoors(body.subject, trust, at: check.time)
        let statement = signed.statement
        let (version, count) = try await service.ssh.revoking.pass {
            try await service.store.write { transaction in
                guard try transaction.add(signed, received: check.time) else {
                    throw Problem.conflict("statement \(statement.id) was used before")
                }
                let met = try Self.met(by: body.subject, transaction, at: check.time)
                let others = try Self.others(body.subject, met, trust, transaction)
                let version = try transaction.revoke(
                    serials: met.map(\.serial),
                    others: others,
                    subject: body.subject.words,
                    reason: body.reason,
                    actor: statement.requester.text,
                    statement: statement.id,
                    at: check.time
                )
                try transaction.append(
                    event: "ssh-revoked",
                    actor: statement.requester.text,
                    detail: [
                        "statement": JSONValue(statement.id), "subject": .string(body.subject.words),
                        "reason": .string(body.reason), "krl_version": .integer(version),
                        "certificates": JSONValue(met.count),
                    ],
                    at: check.time
                )
                return (version, met.count)
            }
        }
        try await service.repository.publishRevocations(at: check.time)
        let certificates = count == 1 ? "1 certificate" : "\(count) certificates"
        return StatementReply(
            id: statement.id,
            state: "accepted",
            detail: "\(body.subject.words): \(certificates) revoked by version \(version) of the list; "
                + "'muster ssh status' says how far it has come"
        )
    }

    /// Refuses to revoke the CA that opens the doors, or is to: sshd would let nobody in any more, and no node takes such a
    /// list.
    ///
    /// One that retires may be revoked, for another signs: that is how a stolen one stops counting at once.
    private static func checkDoors(_ subject: RevokeBody.Subject, _ trust: SSHTrust, at time: UTCTime) throws(Problem) {
        guard case .publicKey(let key) = subject,
            trust.userAuthorities.trusted(at: time).contains(where: { $0.phase != .retiring && $0.publicKey == key })
        else { return }
        throw .conflict(
            "\(key.fingerprint) is a user CA that the fleet trusts, and no node takes a list that locks everybody out: trade "
                + "the CA ('muster ssh rotate user') and revoke this one once another signs; what a stolen one signs opens no "
                + "door without an operator's statement"
        )
    }

    /// The certificates that a revocation is about, which are good, or could be for a clock that is behind.
    private static func met(
        by subject: RevokeBody.Subject,
        _ transaction: StoreTransaction,
        at time: UTCTime
    ) throws -> [StoredCertificate] {
        let end = time.adding(seconds: -SSHRevocations.grace)
        switch subject {
        case .serials(let serials):
            return try serials.compactMap { serial in
                try Int64(exactly: serial).flatMap { try transaction.certificate(serial: $0) }
            }.filter { $0.revoked == nil && $0.validBefore > end }
        case .keyID(let keyID):
            return try transaction.unrevokedCertificates(goodAfter: end).filter {
                $0.keyID.utf8.elementsEqual(keyID.utf8)
            }
        case .person(let name):
            return try transaction.unrevokedCertificates(goodAfter: end).filter { $0.requester == name }
        case .node(let node):
            return try transaction.unrevokedCertificates(goodAfter: end, of: node)
        case .publicKey(let key):
            let fingerprint = key.fingerprint
            return try transaction.unrevokedCertificates(goodAfter: end).filter { $0.fingerprint == fingerprint }
        }
    }

    /// What the KRL has to name besides: serials and key IDs that nobody issued are the mark of a stolen CA.
    ///
    /// A key ID is always named: whoever has a CA's key can give another certificate the key ID of one that was issued.
    private static func others(
        _ subject: RevokeBody.Subject,
        _ met: [StoredCertificate],
        _ trust: SSHTrust,
        _ transaction: StoreTransaction
    ) throws -> [StoredRevoked] {
        var authorities = (trust.userAuthorities + trust.hostAuthorities).map(\.publicKey)
        // Every host certificate of a node has the same one: named under the host CAs it would revoke the next ones too.
        if case .keyID(let keyID) = subject, case .host? = CertificateKeyID(keyID), !met.isEmpty {
            authorities = trust.userAuthorities.map(\.publicKey)
        }
        func each(_ kind: StoredRevoked.Kind, _ value: String) -> [StoredRevoked] {
            authorities.compactMap { authority in
                guard case .ed25519(let bytes) = authority.material else { return nil }
                return StoredRevoked(kind: kind, authority: bytes, value: value)
            }
        }
        switch subject {
        case .serials(let serials):
            return try serials.filter { serial in
                try Int64(exactly: serial).flatMap { try transaction.certificate(serial: $0) } == nil
            }.flatMap { each(.serial, String($0)) }
        case .keyID(let keyID): return each(.keyID, keyID)
        case .publicKey(let key): return [StoredRevoked(kind: .key, authority: [], value: key.line)]
        case .person, .node: return []
        }
    }

    // MARK: - Reading

    /// What was revoked, and how far the fleet knows.
    func record(at time: UTCTime) async throws -> SSHRevocationsRecord {
        let (version, entries) = try await service.store.read { transaction in
            (try transaction.revocationVersion(), try transaction.revocations(limit: 1000))
        }
        return SSHRevocationsRecord(
            version: version,
            entries: entries.map { entry in
                SSHRevocationsRecord.Entry(
                    subject: entry.subject,
                    reason: entry.reason,
                    actor: entry.actor,
                    time: entry.time,
                    version: entry.version,
                    certificates: entry.certificates
                )
            },
            nodes: service.nodes.all.map { node($0, version, at: time) }
        )
    }

    private func node(_ entry: NodeRegister.Entry, _ wanted: Int64, at time: UTCTime) -> SSHRevocationsRecord.Node {
        let ssh = entry.report?.ssh
        let isInContact = service.isInContact(entry, at: time)
        let state: SSHRevocationsRecord.Node.State =
            if entry.report != nil, ssh == nil {
                .none
            } else if let version = ssh?.krlVersion, version >= wanted {
                .acknowledged
            } else {
                isInContact ? .behind : .unreachable
            }
        return SSHRevocationsRecord.Node(
            id: entry.node.id,
            name: entry.node.name,
            state: state,
            version: ssh?.krlVersion,
            lastSeen: entry.lastSeen,
            problem: ssh?.problem ?? ""
        )
    }
}

extension FleetService {
    /// Whether a node was heard of within three report intervals.
    func isInContact(_ entry: NodeRegister.Entry, at time: UTCTime) -> Bool {
        guard let lastSeen = entry.lastSeen else { return false }
        return lastSeen.adding(seconds: Int64(3 * options.reportSeconds)) >= time
    }
}

extension RevokeBody.Subject {
    /// What is revoked, in words.
    var words: String {
        switch self {
        case .serials(let serials):
            let shown = serials.prefix(10).map(String.init).joined(separator: ", ")
            return "serial " + shown + (serials.count > 10 ? " and \(serials.count - 10) more" : "")
        case .keyID(let keyID): return "key ID \(keyID)"
        case .person(let name): return "operator \(name)"
        case .node(let node): return "node \(node)"
        case .publicKey(let key): return "key \(key.fingerprint)"
        }
    }
}
