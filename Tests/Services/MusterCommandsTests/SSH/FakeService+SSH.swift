import ByteCoding
import MusterAPI
import MusterModel
import MusterTestSupport

/// What the fake service knows of SSH certificates.
extension FakeService {
    struct SSHState {
        /// Whether it has keys for certificates: a service from before them has none.
        var hasAuthorities = false
        /// In the order of their serials.
        var issued: [SSHIssuedRecord] = []
        var waiting: [SSHWaitingRecord] = []
        /// What a request became that was approved or denied.
        var reply: SSHCertificateReply?
        var denials: [String] = []
        /// What the answer to a revocation says.
        var revoked = ""
        /// Answers of `GET /v1/ssh/revocations`, one after the other; the last one again and again.
        var revocations: [SSHRevocationsRecord] = []
        /// Answers of `GET /v1/ssh/rotation`, as above.
        var rotations: [SSHRotationRecord] = []
        /// The answer of `POST /v1/ssh/rotation`.
        var prepared: SSHRotationRecord?
        var steps: [SSHRotationRequest] = []
        /// Queries of `GET /v1/ssh/issued`.
        var queries: [String] = []
    }

    static let userAuthority = TestKey("service-user-ca")
    static let hostAuthority = TestKey("service-host-ca")
    private static let pageLimit = 1000

    func answerSSH(
        _ request: LoopbackServer.Request,
        _ parts: [String],
        _ state: inout State
    ) throws -> LoopbackServer.Reply {
        switch (request.method, parts.first ?? "") {
        case ("GET", "issued"): return Self.json(List(Self.page(request.query, &state.ssh)))
        case ("GET", "waiting"): return Self.json(List(state.ssh.waiting))
        case ("GET", "revocations"): return try Self.next(&state.ssh.revocations)
        case ("GET", "rotation"): return try Self.next(&state.ssh.rotations)
        case ("POST", "rotation"):
            state.ssh.steps.append(try SSHRotationRequest.parse(request.body))
            return try state.ssh.prepared.map { Self.json($0) } ?? Self.none()
        case ("POST", "certificates") where parts.last == "approve":
            state.approvals.append(try ApprovalRequest.parse(request.body).signature)
            return try state.ssh.reply.map { Self.json($0) } ?? Self.none()
        case ("POST", "certificates") where parts.last == "deny":
            state.ssh.denials.append(try ReasonRequest.parse(request.body).reason)
            return try state.ssh.reply.map { Self.json($0) } ?? Self.none()
        default: return try Self.none()
        }
    }

    private static func page(_ query: String, _ ssh: inout SSHState) -> [SSHIssuedRecord] {
        ssh.queries.append(query)
        let first = query.split(separator: "&").first { $0.hasPrefix("after=") }
        let after = first.flatMap { Int64($0.dropFirst(6)) } ?? 0
        return Array(ssh.issued.filter { $0.serial > after }.prefix(pageLimit))
    }

    private static func next(_ answers: inout [some Body]) throws -> LoopbackServer.Reply {
        let answer = answers.count > 1 ? answers.removeFirst() : answers.first
        return try answer.map { json($0) } ?? none()
    }

    /// What a service says whose fleet has no `ssh/trust.json`.
    private static func none() throws -> LoopbackServer.Reply {
        throw Problem(
            status: 409,
            code: "no-ssh",
            title: "The fleet has no SSH certificates",
            detail: "turn them on with 'muster ssh enable', which the policy keys sign"
        )
    }
}
