import CanonicalJSON
import MusterAPI
import MusterModel
import MusterPolicy
import MusterSystem
import MusterTestSupport
import RecordedConversations
import Testing

/// No agent that is in use is ever cut off: what released agents said is said again to today's service, and what they were
/// answered is read by today's agent.
@Suite("Old agents and today's service", .serialized)
struct CompatibilityTests {
    /// A test that finds no recording must fail, so there is one that cannot be held.
    private static let conversations = (try? Conversation.all()) ?? []
    private static let states = (try? StateRecording.all()) ?? []

    @Test("Today's service holds every conversation that a released agent had", arguments: conversations)
    func replay(_ conversation: Conversation) async throws {
        try await Replay.run(conversation)
    }

    @Test("It holds them with agents, too, that say more than it knows", arguments: conversations)
    func saysMore(_ conversation: Conversation) async throws {
        try await Replay.run(conversation, sayingMore: true)
    }

    @Test("Today's agent reads every answer that was ever recorded, with members besides that it does not know")
    func readsOldAnswers() throws {
        var count = 0
        for conversation in Self.conversations {
            for exchange in conversation.exchanges {
                guard let answer = exchange.answer,
                    let reader = AgentReader(exchange.method, exchange.path, status: exchange.status)
                else { continue }
                let old = try reader.read(answer.jsonBytes)
                #expect(try reader.members(of: answer) == exchange.reads, "\(conversation): \(exchange.name)")
                let more = Replay.more(answer)
                if reader.isSigned {
                    // Nobody adds to what is signed; a document of a later version is read, not taken for another.
                    #expect(throws: Never.self, "\(conversation): \(exchange.name)") { try reader.read(more.jsonBytes) }
                } else {
                    #expect(try reader.read(more.jsonBytes) == old, "\(conversation): \(exchange.name)")
                }
                count += 1
            }
        }
        #expect(count > 50)
    }

    @Test("A rule of the policy with a part that this version does not know allows nothing")
    func unknownRulesFailClosed() throws {
        var count = 0
        for conversation in Self.conversations {
            for exchange in conversation.exchanges where exchange.path.hasSuffix(".fleet.json") {
                let answer = try #require(exchange.answer)
                let old = try FleetPolicy(parsing: answer.jsonBytes)
                let new = try FleetPolicy(parsing: Replay.more(answer).jsonBytes)
                #expect(old.unknownParts.isEmpty && !new.unknownParts.isEmpty)
                count += 1
            }
        }
        #expect(count > 0)
    }

    @Test(
        "Today's agent goes on where an old one stopped, and an old one where a later one stopped",
        arguments: states,
        [false, true]
    )
    func state(_ recording: StateRecording, isLater: Bool) async throws {
        let folder = try TemporaryFolder()
        for (name, bytes) in try recording.files() {
            let document = try JSONValue.parse(bytes, limit: bytes.count)
            try folder.write("state/" + name, (isLater ? Replay.more(document) : document).jsonBytes)
        }
        let log = folder.file("log")
        let agent = try BuiltProgram("muster-agent").path
        let arguments = ["status", "--json", "--state-dir", folder.file("state")]
        let status = try await RunningProgram.run(agent, arguments, log: log)
        let said = String(decoding: try folder.read("log") ?? [], as: UTF8.self)
        try #require(status == 0, "\(said)")
        let state = try JSONValue.parse(Array(said.utf8), limit: 1 << 20)
        #expect(state["name"] == "web-1" && state["tags"] == ["web"] && state["phase"] == "confirming", "\(said)")
        #expect(state["packages"]?["muster-probe"] == "1.0", "\(said)")
    }

    @Test("The recordings hold every call that agents make")
    func everyCall() {
        // Which call it is that first hears of the node's removal is chance.
        let calls: [(method: String, beginning: String, status: Int)] = [
            ("GET", "/v1/enroll/statement", 200), ("POST", "/v1/enroll", 201), ("POST", "/v1/enroll", 202),
            ("POST", "/v1/node/challenge", 200), ("POST", "/v1/node/session", 200), ("POST", "/v1/node/report", 200),
            ("GET", "/v1/node/manifest", 200), ("POST", "/v1/node/key", 200),
            ("POST", "/v1/node/host-certificate", 200), ("POST", "/v1/node/runs/", 200),
            ("GET", "/tuf/metadata/1.root.json", 200), ("GET", "/tuf/metadata/2.root.json", 404),
            ("GET", "/tuf/metadata/timestamp.json", 200), ("GET", "/tuf/targets/policy/", 200),
            ("GET", "/tuf/targets/releases/", 200), ("GET", "/tuf/targets/ssh/", 200), ("", "/v1/node/", 401),
        ]
        for version in Set(Self.conversations.map(\.version)) {
            let exchanges = Self.conversations.filter { $0.version == version }.flatMap(\.exchanges)
            for call in calls {
                let isThere = exchanges.contains {
                    (call.method.isEmpty || $0.method == call.method) && $0.path.hasPrefix(call.beginning)
                        && $0.status == call.status
                }
                #expect(isThere, "\(version): \(call.method) \(call.beginning) answered with \(call.status)")
            }
        }
        #expect(!Self.conversations.isEmpty)
        #expect(!Self.states.isEmpty)
    }
}
