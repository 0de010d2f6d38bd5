import ByteCoding
import Glibc
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterServer

/// The real program is killed in the middle of a rollout, again and again.
@Suite("A service that is killed during a rollout", .timeLimit(.minutes(60)))
struct RolloutCrashTests {
    private static let count = 6
    private static let inFlight = 2

    /// What goes on after the fixture that made the fleet is gone.
    private struct Fleet: Sendable {
        let directory: String
        let session: String
        let rollout: RolloutID
        let nodes: [(id: NodeID, session: String)]
    }

    @Test("kill -9 between any two reports: what was acknowledged stays, no limit is broken, and it completes")
    func killed() async throws {
        let directory = "/tmp/muster-crash-test-" + Hex.encode(RandomBytes.make(8))
        defer {
            removeTree(directory)
            unlink(directory + ".log")
            unlink(directory + ".passphrase")
        }
        try AtomicFile.write(Array("correct horse".utf8), to: directory + ".passphrase")
        let fleet = try await make(directory)
        var confirmed: Set<NodeID> = []
        var round = 0
        while confirmed.count < Self.count {
            round += 1
            #expect(round < 40, "it makes no headway")
            guard round < 40 else { return }
            let (program, url) = try await start(directory)
            let client = try MusterClient(service: url)
            do {
                try await check(fleet, client, confirmed)
                // Some rounds end after one report, some in the middle of one, some after a node is done.
                if let node = try await step(fleet, client, confirmed, round: round, program) { confirmed.insert(node) }
            } catch {
                await client.close()
                kill(-program.pid, SIGKILL)
                throw error
            }
            await client.close()
            kill(-program.pid, SIGKILL)
            _ = await program.exit(within: .seconds(60))
        }
        let (program, url) = try await start(directory)
        let client = try MusterClient(service: url)
        try await check(fleet, client, confirmed)
        #expect(try await client.rollout(fleet.rollout, session: fleet.session).state == "complete")
        let events = try await client.events(after: 0, wait: 0, session: fleet.session)
        #expect(events.map(\.sequence) == Array(1...Int64(events.count)))
        #expect(events.count { $0.type == "node-confirmed" } == Self.count)
        #expect(events.count { $0.type == "rollout-completed" } == 1)
        await client.close()
        kill(-program.pid, SIGKILL)
        _ = await program.exit(within: .seconds(60))
    }

    /// A fleet with an open rollout, and nobody who serves it.
    private func make(_ directory: String) async throws -> Fleet {
        var made: Fleet?
        try await ServerFixture.run(in: directory, withFleet: true) { fixture in
            let fleet = try await RolloutFleet(fixture, (0..<Self.count).map { ("n\($0)", []) })
            let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0, maxInFlight: Self.inFlight)
            made = Fleet(
                directory: directory,
                session: fleet.session,
                rollout: try await fleet.start(strategy: strategy),
                nodes: fleet.nodes.map { ($0.id, $0.session) }
            )
        }
        return try #require(made)
    }

    /// What must be true after every start.
    private func check(_ fleet: Fleet, _ client: MusterClient, _ confirmed: Set<NodeID>) async throws {
        let record = try await client.rollout(fleet.rollout, session: fleet.session)
        #expect(record.nodes.count == Self.count)
        #expect(Set(record.nodes.filter { $0.state == "confirmed" }.map(\.id)) == confirmed)
        #expect(record.stages.reduce(0) { $0 + $1.inFlight } <= Self.inFlight)
        #expect(record.stages.reduce(0) { $0 + $1.failed } == 0)
        #expect(["running", "complete"].contains(record.state), "\(record.state) \(record.reason)")
    }

    /// One node goes on; returns it where its confirmation was acknowledged.
    private func step(
        _ fleet: Fleet,
        _ client: MusterClient,
        _ confirmed: Set<NodeID>,
        round: Int,
        _ program: RunningProgram
    ) async throws -> NodeID? {
        for node in fleet.nodes where !confirmed.contains(node.id) {
            guard let envelope = try await client.manifest(after: 0, wait: 0, session: node.session),
                try RolloutFleet.manifest(envelope).assignments.map(\.rollout) == [fleet.rollout]
            else { continue }
            func report(_ state: NodeProgress.State, _ version: String) -> NodeReport {
                let time = WallClock.now()
                let step = NodeProgress(rollout: fleet.rollout, state: state, version: version, reason: "", at: time)
                return TestNode.report(version: version, [step])
            }
            _ = try await client.report(report(.installing, "1.0"), session: node.session)
            switch round % 3 {
            case 0: return nil
            case 1:
                // The kill meets the report somewhere on its way; whether it counts is seen by whether it was answered.
                let answer = Task { try await client.report(report(.confirmed, "2.0"), session: node.session) }
                if round % 2 == 0 { await Task.yield() }
                kill(-program.pid, SIGKILL)
                if case .success = await answer.result { return node.id }
                _ = await program.exit(within: .seconds(60))
                return try await settled(fleet, node.id)
            default:
                _ = try await client.report(report(.confirmed, "2.0"), session: node.session)
                return node.id
            }
        }
        return nil
    }

    /// Whether a report whose answer was lost is on disk; asked of the program that is started next.
    private func settled(_ fleet: Fleet, _ node: NodeID) async throws -> NodeID? {
        let (program, url) = try await start(fleet.directory)
        let client = try MusterClient(service: url)
        let record = try await client.rollout(fleet.rollout, session: fleet.session)
        await client.close()
        kill(-program.pid, SIGKILL)
        _ = await program.exit(within: .seconds(60))
        return record.nodes.first { $0.id == node }?.state == "confirmed" ? node : nil
    }

    /// Starts the program, which ends by itself where the test process dies first.
    ///
    /// The one before may take a moment to let go of the folder.
    private func start(_ directory: String) async throws -> (program: RunningProgram, url: String) {
        for _ in 0..<100 {
            try? AtomicFile.remove(directory + "/address")
            let program = try RunningProgram(
                "/usr/bin/timeout",
                ["--foreground", "3600", try BuiltProgram("musterd").path]
                    + ["serve", "--state-dir", directory, "--listen", "127.0.0.1:0"]
                    + ["--passphrase-file", directory + ".passphrase"],
                log: directory + ".log"
            )
            while await program.exit(within: .milliseconds(50)) == nil {
                guard let bytes = try BoundedFile.readIfPresent(directory + "/address", limit: 4096), !bytes.isEmpty,
                    let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first
                else { continue }
                return (program, String(line))
            }
        }
        throw RunningProgram.Failure("musterd does not start")
    }
}
