import AgentSwarm
import MusterAPI
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// A thousand agents in one process against the real musterd: they run nothing, and talk as agents do.
@Suite("A thousand agents", .timeLimit(.minutes(60)))
struct ThousandAgentsTests {
    private static let count = 1000

    @Test("A run reaches all of them, and no result is lost while the service is killed and started again twice")
    func thousand() async throws {
        let folder = try TemporaryFolder()
        var fleet = try FleetSimulator(time: WallClock.now())
        try fleet.allowRuns()
        try fleet.publish()
        let service = try await SwarmService(
            program: try BuiltProgram("musterd").path,
            folder: folder.file("service"),
            agents: Self.count,
            fleet: fleet
        )
        do {
            try await measure(service)
        } catch {
            await service.end()
            throw error
        }
        await service.end()
    }

    private func measure(_ service: SwarmService) async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let swarm = try await AgentSwarm(Self.count, on: service, runMilliseconds: 2000)
        print("ThousandAgentsTests: joined after \(clock.now - start)")
        // Its memory before anybody waits, and without what joining took.
        try await service.killAndRestart(after: .zero)
        let session = try await service.login()
        let idle = service.residentKiB
        try await swarm.live {
            try await swarm.awaitPolls()
            let waiting = service.residentKiB
            let each = Double(waiting - idle) / Double(Self.count)
            print("ThousandAgentsTests: \(idle) KiB idle, \(waiting) KiB with all waiting: \(each) KiB for each agent")
            #expect(each < 160)
            try await reach(swarm, service, session)
            try await survive(swarm, service, session)
            #expect(swarm.counts.forgeries == 0 && swarm.counts.verified >= Self.count / 25)
        }
        print("ThousandAgentsTests: all done after \(clock.now - start)")
    }

    /// How long a run takes to reach everybody.
    private func reach(_ swarm: AgentSwarm, _ service: SwarmService, _ session: String) async throws {
        let run = try await swarm.ask("reach", session: session)
        try await swarm.awaitDeliveries(Self.count, of: run.id, within: .seconds(240))
        let delays = swarm.delays(of: run.id, after: run.signed)
        print(
            "ThousandAgentsTests: signing to start: p50 \(Int(delays[delays.count / 2])) ms, "
                + "p99 \(Int(delays[delays.count * 99 / 100])) ms, last \(Int(delays[delays.count - 1])) ms"
        )
        try await check(run.id, swarm, service, session)
    }

    /// The same while the service dies twice.
    private func survive(_ swarm: AgentSwarm, _ service: SwarmService, _ session: String) async throws {
        let run = try await swarm.ask("survive", session: session)
        for share in [Self.count / 10, Self.count / 2] {
            try await swarm.awaitDeliveries(share, of: run.id, within: .seconds(240))
            try await service.killAndRestart(after: .milliseconds(300))
        }
        try await swarm.awaitDeliveries(Self.count, of: run.id, within: .seconds(240))
        print("ThousandAgentsTests: all results, two kills later, after \(ContinuousClock.now - run.signed)")
        #expect(swarm.counts.repetitions > 0, "the service was never missed: the kills came too late")
        try await check(run.id, swarm, service, session)
    }

    /// Every node ran it once, and everything that it said is there.
    private func check(_ id: RunID, _ swarm: AgentSwarm, _ service: SwarmService, _ session: String) async throws {
        let beginnings = swarm.beginnings(of: id)
        #expect(beginnings.count == Self.count && beginnings.values.allSatisfy { $0 == 1 })
        let record = try await service.client.run(id, session: session)
        #expect(record.state == .succeeded, "\(record.state): \(record.reason)")
        #expect(record.counts == [.succeeded: Self.count], "\(record.counts)")
        for node in record.nodes { #expect(node.result?.note == node.name, "\(node)") }
        var lines: [NodeID: String] = [:]
        var after: Int64 = 0
        while true {
            let output = try await service.client.runOutput(id, after: after, session: session)
            for chunk in output.chunks {
                lines[chunk.node, default: ""] += String(decoding: chunk.piece.data, as: UTF8.self)
            }
            after = output.chunks.last?.sequence ?? after
            if output.isComplete { break }
        }
        let expected = swarm.names.mapValues { "\($0) ran \(id)\n" }
        #expect(lines == expected)
    }
}
