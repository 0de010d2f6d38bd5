import Hummingbird
import Logging
import MusterAPI
import MusterStore

/// Which call is for whom; every refusal leaves here as a problem document.
struct Routes: Sendable {
    let service: FleetService
    private let node: NodeCalls
    private let fleet: FleetCalls
    private let statements: StatementCalls
    private let repository: RepositoryServing
    private let ssh: SSHCalls

    init(_ service: FleetService) {
        self.service = service
        node = NodeCalls(service: service)
        fleet = FleetCalls(service: service)
        statements = StatementCalls(service: service)
        ssh = SSHCalls(service: service)
        repository = RepositoryServing(store: service.store, state: service.state, repository: service.repository)
    }

    /// The answer to a call; never throws.
    func answer(_ arriving: Call) async -> Response {
        var call = arriving
        do {
            call.identity = try await service.gate.identity(at: call.peer)
            if call.request.method == .post, call.request.uri.path == "/v1/node/report" {
                return try await node.report(call)
            }
            guard let path = call.path else { throw Problem.malformed("the path is not percent-encoded UTF-8") }
            return try await route(call, path)
        } catch let problem as Problem {
            // That the tailnet does not answer is said once, by the gate.
            if problem.status >= 500, problem.code != "tailnet-unavailable" { service.log.error("\(problem)") }
            return Answer.problem(problem)
        } catch {
            service.log.error("\(call.request.method) \(call.request.uri.path) failed: \(error)")
            return Answer.problem(.failed("see the log of musterd"))
        }
    }

    private func route(_ call: Call, _ path: [String]) async throws -> Response {
        switch path.first {
        case "v1": try await version1(call, Array(path.dropFirst()))
        case "tuf": try await repository.answer(call, path.dropFirst())
        case "enroll" where path.count == 2:
            try await allowing(call, .get) { try await EnrollmentPage(service: service).answer(call, path[1]) }
        case "healthz" where path.count == 1:
            try await allowing(call, .get) { Answer.bytes(Array("ok\n".utf8), type: "text/plain") }
        case "openapi.yaml" where path.count == 1:
            try await allowing(call, .get) { Answer.bytes(Array(OpenAPI.document.utf8), type: "application/yaml") }
        default: throw Problem.missing("there is nothing at \(call.request.uri.path)")
        }
    }

    private func version1(_ call: Call, _ path: [String]) async throws -> Response {
        switch (path.first, path.count) {
        case ("service", 1): try await allowing(call, .get) { fleet.describe(call) }
        case ("whoami", 1): try await allowing(call, .get) { try service.operators.whoami(call) }
        case ("fleet", 1): try await allowing(call, .post) { try await fleet.create(call) }
        case ("enroll", 1): try await allowing(call, .post) { try await service.enrollments.enroll(call) }
        case ("enroll", 2) where path[1] == "statement":
            try await allowing(call, .get) { try await service.enrollments.statement(call) }
        case ("node", 2): try await nodeCall(call, path[1])
        case ("node", 3) where path[1] == "runs":
            try await allowing(call, .post) { try await node.run(call, path[2]) }
        case ("runs", 1...3): try await runCall(call, Array(path.dropFirst()))
        case ("operator", 2) where path[1] == "challenge":
            try await allowing(call, .post) { try await service.operators.challenge(call) }
        case ("operator", 2) where path[1] == "session":
            try await allowing(call, .post) { try await service.operators.session(call) }
        case ("nodes", 1): try await allowing(call, .get) { try await service.operators.nodes(call) }
        case ("nodes", 2): try await allowing(call, .get) { try await service.operators.node(call, path[1]) }
        case ("nodes", 3):
            try await allowing(call, .post) { try await NodeHolds(service: service).control(call, path[1], path[2]) }
        case ("enrollments", 1): try await allowing(call, .get) { try await service.operators.enrollments(call) }
        case ("events", 1): try await allowing(call, .get) { try await service.operators.events(call) }
        case ("statements", 1): try await allowing(call, .post) { try await statements.take(call) }
        case ("rollouts", 1): try await allowing(call, .get) { try await statements.rollouts(call) }
        case ("rollouts", 2): try await allowing(call, .get) { try await statements.rollout(call, path[1]) }
        case ("rollouts", 3): try await allowing(call, .post) { try await statements.control(call, path[1], path[2]) }
        case ("repository", 3) where path[1] == "files":
            try await allowing(call, .put) { try await fleet.putFile(call, path[2]) }
        case ("repository", 3) where path[1] == "metadata":
            try await allowing(call, .post) { try await fleet.putMetadata(call, path[2]) }
        case ("ssh", 2...4): try await sshCall(call, Array(path.dropFirst()))
        default: throw Problem.missing("there is nothing at \(call.request.uri.path)")
        }
    }

    private func sshCall(_ call: Call, _ path: [String]) async throws -> Response {
        switch (path.first, path.count) {
        case ("certificates", 1): try await allowing(call, .post) { try await ssh.request(call) }
        case ("certificates", 2): try await allowing(call, .get) { try await ssh.certificate(call, path[1]) }
        case ("certificates", 3): try await allowing(call, .post) { try await ssh.control(call, path[1], path[2]) }
        case ("issued", 1): try await allowing(call, .get) { try await ssh.issued(call) }
        case ("waiting", 1): try await allowing(call, .get) { try await ssh.waiting(call) }
        case ("trust", 1): try await allowing(call, .get) { try ssh.trust(call) }
        case ("revocations", 1): try await allowing(call, .get) { try await ssh.revocations(call) }
        case ("rotation", 1) where call.request.method == .post: try await ssh.rotation(call)
        case ("rotation", 1): try await allowing(call, .get) { try await ssh.rotation(call) }
        default: throw Problem.missing("there is nothing at \(call.request.uri.path)")
        }
    }

    private func runCall(_ call: Call, _ path: [String]) async throws -> Response {
        let runs = RunCalls(service: service)
        switch path.count {
        case 0: return try await allowing(call, .get) { try await runs.list(call) }
        case 1: return try await allowing(call, .get) { try await runs.show(call, path[0]) }
        default:
            guard path[1] != "output" else {
                return try await allowing(call, .get) { try await runs.output(call, path[0]) }
            }
            return try await allowing(call, .post) { try await runs.control(call, path[0], path[1]) }
        }
    }

    private func nodeCall(_ call: Call, _ name: String) async throws -> Response {
        switch name {
        case "challenge": try await allowing(call, .post) { try await node.challenge(call) }
        case "session": try await allowing(call, .post) { try await node.session(call) }
        case "report": try await allowing(call, .post) { try await node.report(call) }
        case "manifest": try await allowing(call, .get) { try await node.manifest(call) }
        case "reach": try await allowing(call, .post) { try await node.reach(call) }
        case "key": try await allowing(call, .post) { try await node.replaceKey(call) }
        case "host-certificate": try await allowing(call, .post) { try await node.hostCertificate(call) }
        default: throw Problem.missing("there is nothing at \(call.request.uri.path)")
        }
    }

    // Not inlined: the compiler (6.3.1, release) crashes over all the bodies in one function.
    @inline(never)
    private func allowing(
        _ call: Call,
        _ method: HTTPRequest.Method,
        _ body: () async throws -> Response
    ) async throws -> Response {
        guard call.request.method == method else { throw Problem.wrongMethod(method.rawValue) }
        return try await body()
    }
}
