import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterClient
import MusterIdentity
import MusterKeys
import MusterModel
import MusterStore
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterServer

/// Real agents that are killed while they replace their key, against a service whose clock the test moves.
///
/// The agent goes by the service's clock alone, so its own stays as it is.
@Suite("The life of node keys in real agents", .timeLimit(.minutes(60)))
struct KeyLifecycleCrashTests {
    private static let day: Int64 = 86400

    /// A node of a real agent, on a service whose keys live three days.
    private struct RealNode {
        let fixture: ServerFixture
        let folder: TemporaryFolder
        let id: NodeID

        var state: String { folder.file("state") }
        var root: String { folder.file("root") }

        /// Lets time go on until the node's only key, which it returns, is due for replacement.
        func keyDue() throws -> [UInt8] {
            let key = try #require(try keys().first)
            fixture.clock.advance(seconds: 2 * KeyLifecycleCrashTests.day + KeyLifecycleCrashTests.day / 2)
            return key
        }

        /// Does once what there is to do; killed as soon as the step is done.
        func crash(at step: String) async throws -> CommandResult {
            let program = try BuiltProgram("muster-agent-crashing").path
            return try await Command(program, ["rotate", state, root, step]).run(timeout: .seconds(120))
        }

        /// Does once what there is to do, by the shipped program.
        func once() async throws -> CommandResult {
            let program = try BuiltProgram("muster-agent").path
            let arguments = ["serve", "--once", "--state-dir", state, "--config", folder.file("none"), "--root", root]
            return try await Command(program, arguments).run(timeout: .seconds(120))
        }

        func status() async throws -> JSONValue {
            let program = try BuiltProgram("muster-agent").path
            let result = try await Command(program, ["status", "--json", "--state-dir", state]).run(
                timeout: .seconds(60)
            )
            return try JSONValue.parse(Array(result.outputText.utf8), limit: 1 << 20)
        }

        /// The public keys on the node's disk.
        func keys() throws -> [[UInt8]] {
            [try NodeKeyFile.read(state + "/node.key"), try NodeKeyFile.readIfPresent(state + "/node.key.next")]
                .compactMap { $0?.publicKey }
        }

        /// The keys that the service accepts.
        func accepted() -> [[UInt8]] {
            guard let life = fixture.server.service.nodes[id]?.node.keyLife else { return [] }
            return [life.key, life.next?.key].compactMap(\.self)
        }

        /// The promise: at no moment is the node without a key that the service accepts.
        func expectAcceptedKey(_ when: String) throws {
            let (keys, accepted) = (try keys(), accepted())
            #expect(keys.contains { accepted.contains($0) }, "\(when)")
        }
    }

    private func withNode(_ body: (RealNode) async throws -> Void) async throws {
        try await ServerFixture.run {
            $0.nodeKeyLifetime = 3 * Self.day
        } _: { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            let folder = try TemporaryFolder()
            let token = try #require(EnrollmentToken(fleet: fixture.fleet.fleet, secret: secret))
            try folder.write("token", token.line.utf8)
            try Directory.create(folder.file("root"), mode: 0o755)
            let enroll = try await Command(
                try BuiltProgram("muster-agent").path,
                [
                    "enroll", "--service", fixture.url, "--token-file", folder.file("token"), "--name", "alpha",
                    "--state-dir", folder.file("state"),
                ]
            ).run(timeout: .seconds(120))
            #expect(enroll.succeeded, "\(enroll.errorText)")
            let id = try #require(try await fixture.client.nodes(session: try await fixture.login()).first?.id)
            try await body(RealNode(fixture: fixture, folder: folder, id: id))
        }
    }

    /// The rotation is over, on both sides, and the node works.
    private func expectFinished(_ node: RealNode, from old: [UInt8]) async throws {
        let done = try await node.once()
        #expect(done.succeeded, "\(done.errorText)")
        let keys = try node.keys()
        #expect(keys.count == 1 && keys != [old])
        #expect(node.accepted() == keys)
        #expect(try await node.fixture.record(node.id).key?.state == "current")
        #expect(try await node.fixture.events("node-key-rotated").count == 1)
        let names = try Directory.entries(node.state)
        #expect(names.filter { $0.contains("node.key") } == ["node.key"], "nothing secret is left behind: \(names)")
        #expect(try await node.once().succeeded)
        #expect(try await node.status()["key"]?["state"] == "current")
    }

    @Test(
        "killed (SIGKILL) at each step of a rotation, the agent comes back with a key that the service accepts",
        arguments: ["made", "offered", "proven", "adopted"]
    )
    func killed(step: String) async throws {
        try await withNode { node in
            #expect(try await node.once().succeeded)
            let old = try node.keyDue()
            #expect(try await node.crash(at: step).ending == .signalled(SIGKILL))
            try node.expectAcceptedKey("after the kill at '\(step)'")
            try await expectFinished(node, from: old)
        }
    }

    @Test("killed at every step, one start after the other, it still comes back and makes one key of it")
    func killedAgainAndAgain() async throws {
        try await withNode { node in
            let old = try node.keyDue()
            for step in ["made", "offered", "proven", "proven"] {
                #expect(try await node.crash(at: step).ending == .signalled(SIGKILL), "\(step)")
                try node.expectAcceptedKey("after the kill at '\(step)'")
            }
            try await expectFinished(node, from: old)
        }
    }

    @Test("killed at any instruction while it serves and its key is due, it still comes back")
    func killedAnywhere() async throws {
        try await withNode { node in
            let old = try node.keyDue()
            var random = SeededGenerator(seed: 7)
            let arguments = [
                "serve", "--state-dir", node.state, "--config", node.folder.file("none"), "--root", node.root,
            ]
            for round in 0..<12 {
                let program = try BuiltProgram("muster-agent").path
                let agent = try RunningProgram(program, arguments, log: node.folder.file("log"))
                try await Task.sleep(for: .milliseconds(Int.random(in: 5...250, using: &random)))
                agent.signal(SIGKILL)
                _ = await agent.exit(within: .seconds(10))
                try node.expectAcceptedKey("round \(round)")
            }
            try await expectFinished(node, from: old)
        }
    }

    @Test("a register that is put back to before a rotation learns of it from the node, which goes on by itself")
    func restoredRegister() async throws {
        try await withNode { node in
            #expect(try await node.once().succeeded)
            let old = try node.keyDue()
            try await expectFinished(node, from: old)
            let rotated = try node.keys()
            let before = NodeKeyLife(key: old, since: node.fixture.clock.now(), lifetime: 3 * Self.day)
            try await node.fixture.server.service.nodeKeys.change(node.id) { _, stored in stored.keyLife = before }
            #expect(node.accepted() == [old])
            let done = try await node.once()
            #expect(done.succeeded, "\(done.errorText)")
            #expect(try node.keys() == rotated)
            #expect(node.accepted() == rotated)
        }
    }

    @Test("what a node knows of its keys damaged: it works on as before")
    func damagedSuccessions() async throws {
        try await withNode { node in
            #expect(try await node.once().succeeded)
            let old = try node.keyDue()
            try AtomicFile.write([1, 2, 3], to: node.state + "/successions.json")
            try await expectFinished(node, from: old)
        }
    }

    @Test("a new key that is damaged on the disk before the service knew it is put aside, and the old one works on")
    func damagedNext() async throws {
        try await withNode { node in
            let old = try node.keyDue()
            #expect(try await node.crash(at: "made").ending == .signalled(SIGKILL))
            try AtomicFile.write([1, 2, 3], to: node.state + "/node.key.next")
            let done = try await node.once()
            #expect(done.succeeded, "\(done.errorText)")
            #expect(Directory.exists(node.state + "/node.key.next.damaged"))
            #expect(node.accepted() == (try node.keys()))
            #expect(try node.keys() != [old])
        }
    }

    @Test(
        "an expired agent says so in its status and its reports; extended, it replaces its key by itself and works again"
    )
    func expiredAndExtended() async throws {
        try await withNode { node in
            let fixture = node.fixture
            #expect(try await node.once().succeeded)
            let old = try #require(try node.keys().first)
            fixture.clock.advance(seconds: 4 * Self.day)
            try await fixture.noteExpiries()
            _ = try await node.once()
            _ = try await node.once()
            #expect(try node.keys() == [old])
            #expect(try await node.status()["key"]?["state"] == "expired")
            let text = try await Command(
                try BuiltProgram("muster-agent").path,
                ["status", "--state-dir", node.state]
            ).run(timeout: .seconds(60)).outputText
            #expect(text.contains("this node's key expired at") && text.contains("muster node extend"), "\(text)")
            let record = try await fixture.record(node.id)
            #expect(record.state == "key-expired")
            #expect(record.report?.hold.contains("this node's key expired") == true)

            try await fixture.ask(.extendNode(ExtendNodeBody(node: node.id, reason: "repair")), seed: "extend")
            #expect(try await node.once().succeeded)
            try await expectFinished(node, from: old)
            #expect(try await fixture.record(node.id).report?.hold == "")
        }
    }

    @Test("a removed agent says so in its status")
    func removed() async throws {
        try await withNode { node in
            #expect(try await node.once().succeeded)
            try await node.fixture.ask(.removeNode(RemoveNodeBody(node: node.id, reason: "sold")), seed: "remove")
            let after = try await node.once()
            #expect(!after.succeeded)
            guard case .string(let text)? = try await node.status()["removed"] else {
                Issue.record("the status says nothing of it")
                return
            }
            #expect(text.contains("was removed: sold"))
        }
    }
}
