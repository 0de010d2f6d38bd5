import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import SignatureVerification

/// A fleet service in a thief's hands: it serves the repository, enrolls nodes and hands out manifests as it likes.
actor HostileService {
    typealias Reply = LoopbackServer.Reply
    typealias Request = LoopbackServer.Request

    /// What it serves and signs with; replace parts of it to attack.
    var fleet: FleetSimulator
    /// Answers that come before the honest ones.
    var hijack: (@Sendable (Request) -> Reply?)?
    /// The token that its node enrolls with.
    let token: EnrollmentToken
    /// The one node's id.
    let node: NodeID
    private let enrollment: SignedStatement
    private var manifest: (sequence: Int64, bytes: [UInt8])?
    private(set) var reports: [NodeReport] = []
    private(set) var requests: [String] = []
    /// What the node said of runs.
    private(set) var runUpdates: [RunMessage] = []
    /// The sequences of the manifests that were handed out.
    private(set) var handed: [Int64] = []
    private var received: [String: Int64] = [:]
    private var lie: Int64 = 0

    /// What the node said of one run.
    struct RunMessage: Sendable {
        let run: RunID
        let update: RunUpdate
    }

    /// The service of a fleet, and the key of its one node in the node's folder of state.
    init(fleet: FleetSimulator, tags: [String], state: String) throws {
        self.fleet = fleet
        let secret = Digest.sha256(Array("token".utf8))
        try Directory.create(state, mode: 0o700)
        let key = try NodeKeyFile.create(at: state + "/node.key")
        guard let token = EnrollmentToken(fleet: fleet.fleet, secret: secret),
            let node = NodeID(joiningWith: key.publicKey)
        else {
            throw FleetSimulator.Failure.impossible
        }
        self.token = token
        self.node = node
        enrollment = try fleet.statement(
            .enroll(
                EnrollBody(
                    tags: tags.compactMap { Tag($0) },
                    proof: .secret(sha256: Digest.sha256(secret), uses: 1)
                )
            ),
            seed: "enrollment"
        )
    }

    /// Changes what is served.
    func attack(_ change: (inout FleetSimulator) throws -> Void) rethrows {
        try change(&fleet)
    }

    /// Lets other answers come first.
    func hijack(_ answer: @escaping @Sendable (Request) -> Reply?) {
        hijack = answer
    }

    /// Hands out a manifest, honest or not.
    func send(sequence: Int64, _ bytes: [UInt8]) {
        manifest = (sequence, bytes)
    }

    /// Says from now on that it is so much later than it is.
    func lie(seconds: Int64) {
        lie = seconds
    }

    /// Answers one request.
    func answer(_ request: Request) async -> Reply {
        requests.append(request.method + " " + request.path)
        if let reply = hijack?(request) { return reply }
        if request.path.hasPrefix("/tuf/") {
            guard let file = fleet.files[String(request.path.dropFirst(5))] else { return Reply(404) }
            return .file(file, for: request)
        }
        if request.path.hasPrefix("/v1/node/runs/") { return take(request) }
        let now = WallClock.now().adding(seconds: lie)
        switch request.path {
        case "/v1/enroll/statement": return json(enrollment.json)
        case "/v1/enroll": return json(EnrollReply.enrolled(node: node, name: "probe", statement: enrollment).json)
        case "/v1/node/challenge": return json(ChallengeReply(challenge: [UInt8](repeating: 7, count: 32)).json)
        case "/v1/node/session":
            return json(SessionReply(token: "session", expires: now.adding(seconds: 3600)).json)
        case "/v1/node/report":
            if let report = try? NodeReport.parse(request.body) { reports.append(report) }
            return json(ReportReply(nextSeconds: 1, time: now).json)
        case "/v1/node/manifest": return await poll(request)
        default: return Reply(404)
        }
    }

    private func poll(_ request: Request) async -> Reply {
        let after = Int64(request.query.split(separator: "&").first { $0.hasPrefix("after=") }?.dropFirst(6) ?? "") ?? 0
        for _ in 0..<40 {
            if let manifest, manifest.sequence != after {
                handed.append(manifest.sequence)
                return Reply(200, .bytes(manifest.bytes))
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return Reply(204)
    }

    /// Takes what the node says of a run, and says that it is on disk.
    private func take(_ request: Request) -> Reply {
        let text = String(request.path.dropFirst("/v1/node/runs/".count))
        guard let run = RunID(text), let update = try? RunUpdate.parse(request.body) else { return Reply(400) }
        runUpdates.append(RunMessage(run: run, update: update))
        let end = update.offset + Int64(update.output.reduce(0) { $0 + $1.data.count })
        received[text] = max(received[text] ?? 0, end)
        return json(RunUpdateReply(received: received[text] ?? 0, cancel: false).json)
    }

    private func json(_ value: JSONValue) -> Reply {
        Reply(200, .bytes(value.jsonBytes), headers: ["Content-Type": "application/json"])
    }
}
