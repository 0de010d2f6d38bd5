import CanonicalJSON
import MusterSystem
import MusterTestSupport
import RecordedConversations

/// Where a real agent of today talks with a real service of today, and people do what makes them talk.
struct Studio: Sendable {
    static let node = "web-1"

    var stage: Stage
    let tape: Tape
    /// What people did, and how many exchanges came before.
    private(set) var acts: [(after: Int, act: OperatorAct)] = []
    /// Files of the agent's state, as they were at one moment.
    private var files: [String: [UInt8]] = [:]
    private let proxy: String

    /// Records a conversation.
    static func record(
        _ name: String,
        _ setting: Conversation.Setting,
        agentSettings: String = "",
        _ scene: @escaping @Sendable (inout Studio) async throws -> Void
    ) async throws {
        try await Stage.run(setting) { stage in
            let found = stage
            try await Tape.run(before: stage.fleet.address) { tape, proxy in
                var studio = Studio(stage: found, tape: tape, proxy: proxy)
                try studio.furnish(agentSettings)
                try await scene(&studio)
                await studio.stage.fleet.stopAgent(node)
                var transcript = Transcript(studio.stage.variables)
                let steps = try transcript.write(await tape.entries, studio.acts)
                let conversation = Conversation(version: transcript.version, name: name, setting: setting, steps: steps)
                try conversation.store()
                for (name, bytes) in studio.files {
                    try StateRecording(version: transcript.version).store(name, bytes)
                }
                print("recorded \(conversation): \(conversation.exchanges.count) exchanges")
            }
        }
    }

    private init(stage: Stage, tape: Tape, proxy: String) {
        self.stage = stage
        self.tape = tape
        self.proxy = proxy
    }

    private func furnish(_ settings: String) throws {
        let root = stage.fleet.root(Self.node)
        try Directory.create(root, mode: 0o755)
        let text = "{\"root\": \"\(root)\", \"report_seconds\": 1\(settings)}"
        try stage.fleet.folder.write("nodes/\(Self.node)/agent.json", text.utf8)
    }

    // MARK: - People

    /// An operator runs `muster`.
    mutating func muster(_ words: String..., as name: String = "ada") async throws {
        try await perform(.muster(name, words))
    }

    /// Does something at this point of the conversation.
    mutating func perform(_ act: OperatorAct) async throws {
        let count = await tape.entries.count
        try await stage.perform(act)
        // What was waited for came about by what was said meanwhile.
        if case .wait = act { acts.append((await tape.entries.count, act)) } else { acts.append((count, act)) }
    }

    // MARK: - The agent

    /// Runs `muster-agent enroll` with these words to its end.
    func enroll(_ words: [String]) async throws {
        _ = try await stage.fleet.agent(Self.node, ["enroll", "--service", proxy, "--name", Self.node] + words)
    }

    /// Joins by the token that was made last.
    func enrollByToken() async throws {
        try await enroll(["--token-file", stage.fleet.folder.file("token")])
    }

    func startAgent() async throws { try await stage.fleet.startAgent(Self.node) }

    func stopAgent() async { await stage.fleet.stopAgent(Self.node) }

    /// Waits until an exchange since the last act, with this path, has such a text in it.
    func heard(_ path: String, _ text: String = "", status: ClosedRange<Int> = 200...299) async throws {
        let start = acts.last?.after ?? 0
        try await tape.wait(for: "\(path) with \(text)", after: start) {
            $0.request.path.hasPrefix(path) && status.contains($0.status) && (text.isEmpty || $0.text.contains(text))
        }
    }

    /// The fingerprint of the CA that sshd trusts, as the agent has reported it: it looks at no other's logins.
    func userAuthority() async throws -> String {
        let mark = "\"user_authorities\":[\""
        for entry in await tape.entries {
            guard let range = entry.text.firstRange(of: mark) else { continue }
            let found = entry.text[range.upperBound...].prefix { $0 != "\"" }
            if found.hasPrefix("SHA256:") { return String(found) }
        }
        throw RunningProgram.Failure("no report names a user CA")
    }

    /// Keeps the agent's own files as they are now.
    mutating func keepState() throws {
        for name in StateRecording.names {
            let path = stage.fleet.stateFolder(Self.node) + "/" + name
            files[name] = try BoundedFile.readIfPresent(path, limit: 1 << 20)
        }
    }

    /// The code that an agent asks to be approved by.
    mutating func awaitCode() async throws {
        try await heard("/v1/enroll", "\"code\"")
        for entry in await tape.entries where entry.request.path == "/v1/enroll" {
            let answer = try JSONValue.parse(entry.answer, limit: 1 << 20)
            if let code = answer["code"] { stage.variables["code"] = code }
        }
    }

    /// The newest run or rollout of which the service told the node.
    mutating func awaitWork(_ kind: String) async throws {
        try await heard("/v1/node/manifest", "\"\(kind)\":[{")
    }
}
