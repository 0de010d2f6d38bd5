import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterPolicy
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Synchronization
import TUF

/// The fleet service as far as the command line needs it, in memory; it verifies little, so that what the command line
/// refuses is refused by the command line.
final class FakeService: Sendable {
    struct State {
        var fleet: FleetID?
        /// By path below `/tuf/`.
        var files: [String: [UInt8]] = [:]
        var versions: [String: Int64] = [:]
        var freshness: Int64 = 0
        var policy: [UInt8] = []
        var statements: [SignedStatement] = []
        var nodes: [NodeRecord] = []
        var enrollments: [PendingEnrollment] = []
        /// What `GET /v1/rollouts/{id}` answers, one after the other; the last one again and again.
        var rollouts: [RolloutRecord] = []
        var approvals: [[UInt8]] = []
        /// What `GET /v1/runs/{id}` answers, one after the other; the last one again and again.
        var runs: [RunRecord] = []
        /// What nodes wrote.
        var output: [RunOutput.Chunk] = []
        /// Why runs were denied or cancelled.
        var reasons: [String] = []
        var events: [EventRecord] = []
        var requests: [String] = []
        /// The operator whom the tailnet recognises, for reading.
        var recognised: String?
        /// The problem that the next `POST /v1/fleet` gets.
        var refusal: Problem?
        /// What its keys are made from.
        var name = "service"
        /// Seconds that snapshot and timestamp are good for.
        var lifetime: Int64 = 86400
        var ssh = SSHState()
    }

    static let time = UTCTime(seconds: 1_900_000_000)
    static let secret = [UInt8](repeating: 7, count: 32)
    private static let challenge = [UInt8](repeating: 9, count: 32)
    private let state = Mutex(State())

    private static func keys(_ state: State) -> ServiceDescription.Keys {
        ServiceDescription.Keys(
            snapshot: TestKey(state.name + "-snapshot").publicKey,
            timestamp: TestKey(state.name + "-timestamp").publicKey,
            manifest: TestKey(state.name + "-manifest").publicKey,
            revocations: TestKey(state.name + "-revocations").publicKey,
            sshUserAuthority: state.ssh.hasAuthorities ? userAuthority.publicKey : nil,
            sshHostAuthority: state.ssh.hasAuthorities ? hostAuthority.publicKey : nil
        )
    }

    /// The set-up token.
    var token: String {
        let keys = Self.keys(with { $0 })
        return SetupToken(keysDigest: Digest.sha256(keys.json.canonicalBytes), secret: Self.secret)?.line ?? ""
    }

    func with<Value: Sendable>(_ body: @Sendable (inout State) throws -> Value) rethrows -> Value {
        try state.withLock { try body(&$0) }
    }

    @Sendable
    func answer(_ request: LoopbackServer.Request) async -> LoopbackServer.Reply {
        do {
            return try state.withLock { state in
                state.requests.append("\(request.method) \(request.path)")
                return try reply(request, &state)
            }
        } catch let problem as Problem {
            return Self.json(problem, status: problem.status)
        } catch {
            return Self.json(
                Problem(status: 400, code: "malformed", title: "Malformed", detail: "\(error)"),
                status: 400
            )
        }
    }

    private func reply(_ request: LoopbackServer.Request, _ state: inout State) throws -> LoopbackServer.Reply {
        if request.path.hasPrefix("/tuf/") {
            guard let bytes = state.files[String(request.path.dropFirst(5))] else { return LoopbackServer.Reply(404) }
            return .file(bytes, for: request)
        }
        let parts = request.path.split(separator: "/").map(String.init)
        switch (request.method, parts.dropFirst().first ?? "") {
        case ("GET", "service"):
            return Self.json(
                ServiceDescription(version: "fake", fleet: state.fleet, keys: Self.keys(state), time: Self.time)
            )
        case ("POST", "fleet"): return try makeFleet(try .parse(request.body), &state)
        case ("POST", "operator"):
            return parts.last == "challenge"
                ? Self.json(ChallengeReply(challenge: Self.challenge)) : try session(request, state)
        case ("GET", "whoami"): return Self.json(try whoami(request, state))
        default: break
        }
        let isRecognised = request.method == "GET" && request.headers["authorization"] == nil && state.recognised != nil
        guard isRecognised || request.headers["authorization"]?.hasPrefix("Bearer session of ") == true else {
            throw Problem(status: 401, code: "no-session", title: "No session", detail: "log in")
        }
        return try authorized(request, parts, &state)
    }

    private func whoami(_ request: LoopbackServer.Request, _ state: State) throws -> WhoAmI {
        let identity = TailnetRecord(
            id: "nLaptop",
            name: "laptop.tail1234.ts.net",
            addresses: ["100.64.0.7"],
            login: "ada@example.com"
        )
        func answer(_ name: String, _ means: WhoAmI.Means, _ expires: UTCTime? = nil) -> WhoAmI {
            WhoAmI(
                address: "100.64.0.7",
                identity: identity,
                operatorName: name,
                means: means,
                sessionExpires: expires
            )
        }
        guard let session = request.headers["authorization"] else {
            return answer(state.recognised ?? "", state.recognised == nil ? .none : .tailnet)
        }
        guard session.hasPrefix("Bearer session of ") else {
            throw Problem(status: 401, code: "no-session", title: "No session", detail: "log in")
        }
        return answer(String(session.dropFirst(18)), .session, Self.time.adding(seconds: 3000))
    }

    private func authorized(
        _ request: LoopbackServer.Request,
        _ parts: [String],
        _ state: inout State
    ) throws -> LoopbackServer.Reply {
        switch (request.method, parts[1]) {
        case ("PUT", "repository"): return try store(request, sha256: parts[3], &state)
        case ("POST", "repository"): return try publish(request.body, role: parts[3], &state)
        case ("GET", "nodes"):
            guard parts.count > 2 else { return Self.json(List(state.nodes)) }
            guard let node = state.nodes.first(where: { $0.id.text == parts[2] }) else {
                return LoopbackServer.Reply(404)
            }
            return Self.json(node)
        case ("POST", "nodes"): return try Self.holds(request, parts, &state)
        case ("GET", "enrollments"): return Self.json(List(state.enrollments))
        case (_, "ssh"): return try answerSSH(request, Array(parts.dropFirst(2)), &state)
        case ("GET", "events"):
            let after = Int64(request.query.split(separator: "&").first?.dropFirst(6) ?? "0") ?? 0
            return Self.json(List(state.events.filter { $0.sequence > after }))
        case ("POST", "statements"):
            let statement = try SignedStatement(
                JSONFields(JSONValue.parse(request.body, limit: SignedStatement.byteLimit))
            )
            state.statements.append(statement)
            let detail = statement.statement.body.type == .revoke ? state.ssh.revoked : ""
            return Self.json(StatementReply(id: statement.statement.id, state: "accepted", detail: detail))
        case ("GET", "rollouts"):
            guard parts.count > 2 else { return Self.json(List(state.rollouts)) }
            let next = state.rollouts.count > 1 ? state.rollouts.removeFirst() : state.rollouts.first
            return next.map { Self.json($0) } ?? LoopbackServer.Reply(404)
        case ("POST", "rollouts"):
            if parts.last == "halt" { state.reasons.append(try ReasonRequest.parse(request.body).reason) }
            if parts.last == "approve" { state.approvals.append(try ApprovalRequest.parse(request.body).signature) }
            return state.rollouts.last.map { Self.json($0) } ?? LoopbackServer.Reply(404)
        case (_, "runs"): return try runs(request, Array(parts.dropFirst(2)), &state)
        default: return LoopbackServer.Reply(404)
        }
    }

    private func runs(
        _ request: LoopbackServer.Request,
        _ parts: [String],
        _ state: inout State
    ) throws -> LoopbackServer.Reply {
        switch (request.method, parts.last ?? "") {
        case ("GET", ""): return Self.json(List(state.runs))
        case ("GET", "output"):
            let query = request.query.split(separator: "&").map { $0.split(separator: "=").map(String.init) }
            let after = query.first { $0[0] == "after" }.flatMap { Int64($0[1]) } ?? 0
            let node = query.first { $0[0] == "node" }?[1]
            let chunks = state.output.filter { $0.sequence > after && (node ?? $0.node.text) == $0.node.text }
            return Self.json(RunOutput(chunks: chunks, isComplete: state.runs.count == 1))
        case ("GET", _):
            let next = state.runs.count > 1 ? state.runs.removeFirst() : state.runs.first
            return next.map { Self.json($0) } ?? LoopbackServer.Reply(404)
        case ("POST", "approve"): state.approvals.append(try ApprovalRequest.parse(request.body).signature)
        default: state.reasons.append(try ReasonRequest.parse(request.body).reason)
        }
        return state.runs.last.map { Self.json($0) } ?? LoopbackServer.Reply(404)
    }

    /// Signs snapshot and timestamp again.
    func freshen() throws {
        try state.withLock { try freshen(&$0) }
    }

    // MARK: - Parts

    private func session(_ request: LoopbackServer.Request, _ state: State) throws -> LoopbackServer.Reply {
        let session = try OperatorSessionRequest.parse(request.body)
        let signature = try SSHSignature(blob: session.signature)
        guard let fleet = state.fleet else { return LoopbackServer.Reply(404) }
        let proof = OperatorSessionRequest.proof(fleet: fleet, challenge: session.challenge).canonicalBytes
        guard signature.verify(message: proof, namespace: OperatorSessionRequest.namespace) == .valid,
            let owner = try FleetPolicy(parsing: state.policy).owner(of: signature.publicKey)
        else { throw Problem(status: 401, code: "unknown-key", title: "Unknown key", detail: "not in the policy") }
        let reply = SessionReply(
            token: "session of \(owner.name)",
            expires: Self.time.adding(seconds: 30 * 86400),
            operatorName: owner.name.text
        )
        return Self.json(reply)
    }

    private func makeFleet(_ upload: FleetUpload, _ state: inout State) throws -> LoopbackServer.Reply {
        if let refusal = state.refusal { throw refusal }
        let digest = Digest.sha256(Self.keys(state).json.canonicalBytes)
        guard upload.setupToken == SetupToken(keysDigest: digest, secret: Self.secret)?.line else {
            throw Problem(status: 401, code: "setup-token", title: "Wrong set-up token", detail: "")
        }
        state.fleet = FleetID(digest: Digest.sha256(upload.root))
        state.files["metadata/1.root.json"] = upload.root
        state.policy = upload.policyDocument
        let document = Hex.encode(Digest.sha256(upload.policyDocument))
        state.files["targets/policy/\(document).fleet.json"] = upload.policyDocument
        if let trust = upload.sshTrust {
            state.files["targets/ssh/\(Hex.encode(Digest.sha256(trust))).trust.json"] = trust
        }
        for (role, bytes) in [
            ("targets", upload.targets), ("releases", upload.releases), ("policy", upload.policy),
        ] {
            state.files["metadata/1.\(role).json"] = bytes
            state.versions[role] = 1
        }
        try freshen(&state)
        return LoopbackServer.Reply(204)
    }

    private func store(
        _ request: LoopbackServer.Request,
        sha256: String,
        _ state: inout State
    ) throws -> LoopbackServer.Reply {
        guard Hex.encode(Digest.sha256(request.body)) == sha256, request.query.hasPrefix("path=") else {
            throw Problem(status: 422, code: "wrong-hash", title: "Wrong hash", detail: "")
        }
        let path = request.query.dropFirst(5).replacing("%2F", with: "/").replacing("%2B", with: "+")
        let parts = path.split(separator: "/")
        state.files["targets/\(parts[0])/\(sha256).\(parts[1])"] = request.body
        if parts[0] == "policy" { state.policy = request.body }
        return LoopbackServer.Reply(204)
    }

    private func publish(_ bytes: [UInt8], role: String, _ state: inout State) throws -> LoopbackServer.Reply {
        let envelope = try SignedEnvelope(parsing: bytes, limit: 5_000_000)
        let version = role == "root" ? try Root(envelope).version : try Targets(envelope).version
        state.files["metadata/\(version).\(role).json"] = bytes
        if role != "root" { state.versions[role] = version }
        try freshen(&state)
        return LoopbackServer.Reply(204)
    }

    /// Signs a snapshot and a timestamp of what there is.
    private func freshen(_ state: inout State) throws {
        state.freshness += 1
        let expires = Self.time.adding(seconds: state.lifetime)
        let snapshot = try Snapshot(
            version: state.freshness,
            expires: expires,
            roles: state.versions.mapValues { MetaFile(version: $0) }
        )
        let signedSnapshot = try RepositorySimulator.sign(snapshot.json, [TestKey(state.name + "-snapshot")])
        state.files["metadata/\(state.freshness).snapshot.json"] = signedSnapshot.bytes
        let timestamp = Timestamp(
            version: state.freshness,
            expires: expires,
            snapshot: MetaFile(version: state.freshness)
        )
        state.files["metadata/timestamp.json"] =
            try RepositorySimulator.sign(timestamp.json, [TestKey(state.name + "-timestamp")]).bytes
    }

    static func json(_ body: some Body, status: Int = 200) -> LoopbackServer.Reply {
        let type = status < 400 ? "application/json" : Problem.mediaType
        return LoopbackServer.Reply(status, .bytes(body.json.jsonBytes), headers: ["Content-Type": type])
    }
}
