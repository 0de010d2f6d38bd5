import ByteCoding
import CanonicalJSON
import Hummingbird
import MusterAPI
import MusterCA
import MusterModel
import MusterStore
import NIOCore
import OpenSSHFormats
import TUF
import TUFTrust
import Tailnet

/// The calls below `/v1/ssh/`.
struct SSHCalls: Sendable {
    let service: FleetService

    private var issuing: CertificateIssuing { CertificateIssuing(service: service) }

    // MARK: - Certificates

    /// `POST /v1/ssh/certificates`: the statement's signature says who asks, the tailnet says from where.
    func request(_ call: Call) async throws -> Response {
        let bytes = try await call.bytes(limit: CertificateIssuing.byteLimit)
        let signed: SignedStatement
        do {
            let value = try JSONValue.parse(bytes, limit: CertificateIssuing.byteLimit)
            signed = try SignedStatement(try JSONFields(value))
        } catch {
            throw Problem.malformed(error)
        }
        let reply = try await issuing.request(signed, from: CertificateOrigin(call, service), at: call.time)
        return Answer.body(reply, status: reply.state == .issued ? .created : .accepted)
    }

    /// `GET /v1/ssh/certificates/{id}?wait=SECONDS`: for who asked, from where it was asked, and for operators.
    func certificate(_ call: Call, _ text: String) async throws -> Response {
        let id = try Self.id(text)
        let wait = try call.wait()
        if call.bearer != nil { _ = try service.operators.authenticate(call) }
        let identity = call.bearer == nil ? call.identity.id : nil
        let mark = service.ssh.polls.mark(id)
        var reply = try await issuing.status(id, for: identity, at: call.time)
        if reply.state == .waiting, wait > 0 {
            await service.ssh.polls.wait(for: id, after: mark, seconds: wait, on: call.channel.eventLoop)
            reply = try await issuing.status(id, for: identity, at: service.options.clock())
        }
        return Answer.body(reply)
    }

    /// `POST /v1/ssh/certificates/{id}/approve` and `/deny`.
    func control(_ call: Call, _ text: String, _ action: String) async throws -> Response {
        let name = try service.operators.authenticate(call)
        let id = try Self.id(text)
        switch action {
        case "approve":
            let request: ApprovalRequest = try await call.body()
            return Answer.body(try await issuing.approve(id, request.signature, at: call.time))
        case "deny":
            let request: ReasonRequest = try await call.body()
            return Answer.body(try await issuing.deny(id, request.reason, by: name, at: call.time))
        default: throw Problem.missing("a request can be approved and denied")
        }
    }

    /// `GET /v1/ssh/issued?operator=&node=&valid=1&after=SERIAL`.
    func issued(_ call: Call) async throws -> Response {
        _ = try service.operators.reader(call)
        let requester = try call.query("operator").map { text throws(Problem) in
            guard let name = OperatorName(text) else {
                throw .malformed("query member 'operator' is no operator's name")
            }
            return name
        }
        let node = try call.query("node").map { text throws(Problem) in
            guard let id = NodeID(text) else { throw .malformed("query member 'node' is no node's id") }
            return id
        }
        let after = try call.number("after", default: 0)
        let end = call.query("valid") == "1" ? call.time : nil
        let found = try await service.store.read {
            try $0.certificates(after: after, requester: requester, node: node, goodAfter: end, limit: 1000)
        }
        return Answer.body(List(try found.map { try SSHIssuedRecord($0) }))
    }

    /// `GET /v1/ssh/waiting`.
    func waiting(_ call: Call) async throws -> Response {
        _ = try service.operators.reader(call)
        let time = call.time
        let found = try await service.store.read { transaction in
            try transaction.waitingRequests(at: time, limit: 1000).compactMap { request in
                try transaction.statement(request.statement).map { (request, $0) }
            }
        }
        let check = StatementCheck(publication: try service.repository.publication(), time: time)
        return Answer.body(
            List(
                found.map { request, signed in
                    SSHWaitingRecord(
                        statement: signed,
                        signers: (try? check.signers(signed)) ?? [signed.statement.requester],
                        missing: request.detail,
                        asked: request.asked,
                        origin: request.origin
                    )
                }
            )
        )
    }

    // MARK: - Trust, revocations, rotation

    /// `GET /v1/ssh/trust`: for anybody, who verifies it by TUF.
    func trust(_ call: Call) throws -> Response {
        let publication = try service.repository.publication()
        let trust = try SSHSide.trust(publication)
        return Answer.body(
            SSHTrustReply(
                trust: trust,
                policyVersion: publication.trusted.delegatedTargets("policy")?.version ?? 0,
                hostAuthorities: trust.hostAuthorities.trusted(at: call.time).map(\.publicKey.line)
            )
        )
    }

    /// `GET /v1/ssh/revocations`.
    func revocations(_ call: Call) async throws -> Response {
        _ = try service.operators.reader(call)
        return Answer.body(try await Revoking(service: service).record(at: call.time))
    }

    /// `GET` and `POST /v1/ssh/rotation`.
    func rotation(_ call: Call) async throws -> Response {
        let rotation = RotationCalls(service: service)
        guard call.request.method == .post else {
            _ = try service.operators.reader(call)
            return Answer.body(try await rotation.record(at: call.time))
        }
        let name = try service.operators.authenticate(call)
        let request: SSHRotationRequest = try await call.body()
        return Answer.body(try await rotation.prepare(request, by: name, at: call.time))
    }

    /// `POST /v1/node/host-certificate`, of a node whose session was looked at.
    func hostCertificates(_ call: Call, _ entry: NodeRegister.Entry) async throws -> Response {
        let request: HostCertificateRequest = try await call.body()
        let made = try await HostCertificates(service: service)
            .certificates(for: request.publicKeys, of: entry, at: call.time)
        return Answer.body(HostCertificateReply(certificates: made))
    }

    private static func id(_ text: String) throws(Problem) -> StatementID {
        guard let id = StatementID(text) else { throw .missing("there is no request '\(text)'") }
        return id
    }
}

extension SSHIssuedRecord {
    init(_ stored: StoredCertificate) throws {
        self.init(
            serial: stored.serial,
            kind: stored.kind,
            keyID: stored.keyID,
            operatorName: stored.requester?.text ?? "",
            node: stored.node,
            origin: stored.origin,
            principals: stored.principals,
            targets: stored.targets,
            issued: stored.issued,
            validAfter: stored.validAfter,
            validBefore: stored.validBefore,
            fingerprint: stored.fingerprint,
            authority: try SSHPublicKey(ed25519: stored.authority).fingerprint,
            statement: stored.statement ?? Self.run(stored.keyID),
            revoked: stored.revoked
        )
    }

    /// The run that a certificate is for, which may have several.
    private static func run(_ keyID: String) -> StatementID? {
        guard case .user(_, _, let statement)? = CertificateKeyID(keyID) else { return nil }
        return statement
    }
}
