import ByteCoding
import Glibc
import MusterClient
import MusterKeys
import MusterModel
import MusterSigners
import MusterSystem
import MusterTestSupport
import MusterTrust
import TUF
import TUFTrust
import Testing

@testable import MusterServer

@Suite("Service keys in an ssh-agent")
struct AgentKeysTests {
    /// A real ssh-agent with new Ed25519 keys, which forgets them and ends with the test.
    private func withAgent(keys: Int, _ body: (_ folder: String, _ socket: String) async throws -> Void) async throws {
        let folder = "/tmp/muster-agent-test-" + Hex.encode(RandomBytes.make(8))
        try Directory.create(folder)
        defer { removeTree(folder) }
        let socket = folder + "/agent.sock"
        // Ends by itself where the test process dies first.
        let agent = try RunningProgram(
            "/usr/bin/timeout",
            ["600", "/usr/bin/ssh-agent", "-D", "-a", socket],
            log: folder + "/agent.log"
        )
        do {
            for _ in 0..<1200 where access(socket, F_OK) != 0 { try await Task.sleep(for: .milliseconds(50)) }
            for index in 0..<keys { try await addKey("\(folder)/key-\(index)", to: socket) }
            try await body(folder, socket)
        } catch {
            await agent.end()
            throw error
        }
        await agent.end()
    }

    private func addKey(_ path: String, to socket: String) async throws {
        let log = path + ".log"
        let made = try await RunningProgram.run(
            "/usr/bin/ssh-keygen",
            ["-q", "-t", "ed25519", "-N", "", "-C", path, "-f", path],
            log: log
        )
        let added = try await RunningProgram.run(
            "/usr/bin/ssh-add",
            ["-q", path],
            environment: ["SSH_AUTH_SOCK": socket],
            log: log
        )
        guard made == 0, added == 0 else { throw RunningProgram.Failure("no key in the agent, see \(log)") }
    }

    private func publicKeys(_ fixture: ServerFixture) -> [[UInt8]] {
        let keys = fixture.server.service.keys
        return [keys.snapshot, keys.timestamp, keys.manifest, keys.revocations].map(\.publicKey)
    }

    /// A fleet whose owners name the keys in the agent.
    private func fleet(_ keys: [[UInt8]]) throws -> FleetSimulator {
        var fleet = try FleetSimulator(time: WallClock.now())
        fleet.snapshotKey = TestKey(publicOnly: keys[0], name: "snapshot")
        fleet.timestampKey = TestKey(publicOnly: keys[1], name: "timestamp")
        fleet.manifestKey = TestKey(publicOnly: keys[2], name: "manifest")
        fleet.revocationsKey = TestKey(publicOnly: keys[3], name: "revocations")
        try fleet.publishAnotherFleet()
        return fleet
    }

    /// Has the agent sign a manifest, and verifies it as a node does.
    private func checkManifest(_ fixture: ServerFixture) async throws {
        let session = try await fixture.login()
        let path = try await fixture.release("2.0", counter: 2, by: session)
        let node = try await fixture.node("alpha", secret: try await fixture.token(uses: 1, by: session))
        try await node.report(version: "1.0")
        let body = try fixture.fleet.upgrade(to: path)
        let statement = try fixture.fleet.statement(.upgrade(body), seed: "up", issued: fixture.clock.now())
        _ = try await fixture.client.send(statement, session: session)
        let manifest = try ManifestVerifier.verify(
            try #require(try await node.manifest(wait: 60)),
            keys: [fixture.fleet.manifestKey.tuf.id: fixture.fleet.manifestKey.tuf],
            threshold: 1,
            fleet: fixture.fleet.fleet,
            node: node.id,
            lastSequence: 0,
            time: fixture.clock.now()
        )
        #expect(manifest.assignments.count == 1)
    }

    @Test("A fleet whose freshness and manifests are signed in the agent verifies, and a restart finds the same keys")
    func life() async throws {
        try await withAgent(keys: 5) { folder, socket in
            let state = folder + "/state"
            var first: [[UInt8]] = []
            var made: FleetSimulator?
            try await ServerFixture.run(in: state, withFleet: false, options: { $0.agentSocket = socket }) { fixture in
                first = publicKeys(fixture)
                #expect(Set(first).count == 4)
                fixture.use(try fleet(first))
                try await fixture.makeFleet()
                let publication = try #require(fixture.server.service.repository.current)
                #expect(publication.troubles == [])
                #expect(publication.trusted.timestamp?.version == 1)
                try await checkManifest(fixture)
                made = fixture.fleet
            }
            try await addKey(folder + "/later", to: socket)
            let change: (inout ServeOptions) -> Void = { $0.agentSocket = socket }
            try await ServerFixture.run(in: state, withFleet: false, as: made, options: change) { fixture in
                #expect(publicKeys(fixture) == first)
                let repository = fixture.server.service.repository
                let version = repository.current?.timestampVersion ?? 0
                fixture.clock.advance(seconds: 20 * 3600)
                try await repository.refresh(at: fixture.clock.now())
                #expect(repository.current?.timestampVersion == version + 1)
                #expect(repository.current?.troubles == [])
            }
        }
    }

    @Test(
        "Without the agent, with too few keys in it, or after it has lost one, the service does not start and says why"
    )
    func refusals() async throws {
        try await withAgent(keys: 3) { folder, socket in
            let state = folder + "/state"
            #expect(try await refusal(state, folder + "/nothing.sock").contains("\(folder)/nothing.sock"))
            let tooFew = try await refusal(state, socket)
            #expect(tooFew.contains("holds 3 Ed25519 keys, musterd needs 4"), "\(tooFew)")
            try await addKey(folder + "/key-3", to: socket)
            try await ServerFixture.run(in: state, withFleet: false, options: { $0.agentSocket = socket }) { _ in }
            let status = try await RunningProgram.run(
                "/usr/bin/ssh-add",
                ["-q", "-d", folder + "/key-2"],
                environment: ["SSH_AUTH_SOCK": socket],
                log: folder + "/remove.log"
            )
            #expect(status == 0)
            let lost = try await refusal(state, socket)
            #expect(lost.contains("does not hold") && lost.contains("ssh-add"), "\(lost)")
        }
    }

    /// What the real program says when it does not start.
    private func refusal(_ state: String, _ socket: String) async throws -> String {
        try await ServerFixture.awaitLock(state)
        let log = state + ".log"
        unlink(log)
        let status = try await RunningProgram.run(
            "/usr/bin/timeout",
            [
                "--foreground", "600", try BuiltProgram("musterd").path,
                "serve", "--state-dir", state, "--listen", "127.0.0.1:0", "--ssh-agent", socket,
            ],
            log: log
        )
        #expect(status == 1)
        return String(decoding: try BoundedFile.read(log, limit: 100_000), as: UTF8.self)
    }
}
