import AgentSwarm
import MusterModel
import MusterSystem
import MusterTestSupport

/// A run on a thousand simulated agents against the real service: how soon after its signing each one begins, and what each
/// one costs the service while it waits.
struct RunBenchmark {
    let folder: String
    let binaries: String

    private static let count = 1000
    private static let rounds = 5

    /// Milliseconds from signing to start.
    func reach() async throws -> Figure {
        try await withService { service, swarm in
            let session = try await service.login()
            let rounds = try await swarm.live {
                try await swarm.awaitPolls()
                var rounds: [Round] = []
                for number in 0..<Self.rounds {
                    rounds.append(try await round(number, service, swarm, session))
                    try await Task.sleep(for: .seconds(2))
                }
                return rounds
            }
            let p99 = Self.median(rounds.map(\.p99))
            return Figure(
                name: "run-1000",
                value: p99,
                unit: "ms from signing to start, p99",
                goal: "at most 1000 ms",
                met: p99 <= 1000,
                note:
                    "p50 \(Int(Self.median(rounds.map(\.p50)))) ms, service CPU \(Self.hundredths(Self.median(rounds.map(\.cpu)))) ms for each "
                    + "agent; agents and service share the machine"
            )
        }
    }

    private struct Round: Sendable {
        let p50: Double
        let p99: Double
        /// Milliseconds of the service's CPU for each agent, delivery included.
        let cpu: Double
    }

    private func round(
        _ number: Int,
        _ service: SwarmService,
        _ swarm: AgentSwarm,
        _ session: String
    ) async throws -> Round {
        let before = service.cpuSeconds
        let run = try await swarm.ask("bench \(number)", session: session)
        try await swarm.awaitDeliveries(Self.count, of: run.id, within: .seconds(60))
        let delays = swarm.delays(of: run.id, after: run.signed)
        return Round(
            p50: delays[delays.count / 2],
            p99: delays[delays.count * 99 / 100],
            cpu: (service.cpuSeconds - before) * 1000 / Double(Self.count)
        )
    }

    /// Resident memory of the service for each agent that waits.
    func memory() async throws -> Figure {
        try await withService { service, swarm in
            try await service.killAndRestart(after: .zero)
            _ = try await service.login()
            let before = service.residentKiB
            let each = try await swarm.live {
                try await swarm.awaitPolls()
                return Double(service.residentKiB - before) / Double(Self.count)
            }
            return Figure(
                name: "waiting-agent",
                value: each,
                unit: "KiB of the service's resident memory",
                goal: "at most 40 KiB",
                met: each <= 40,
                note: "\(before / 1024) MiB resident with \(Self.count) nodes and none of them waiting"
            )
        }
    }

    private func withService(
        _ body: (SwarmService, AgentSwarm) async throws -> Figure
    ) async throws -> Figure {
        var fleet = try FleetSimulator(time: WallClock.now())
        try fleet.allowRuns()
        try fleet.publish()
        let service = try await SwarmService(
            program: binaries + "/musterd",
            folder: folder + "/service",
            agents: Self.count,
            fleet: fleet
        )
        do {
            let swarm = try await AgentSwarm(Self.count, on: service, runMilliseconds: 0)
            let figure = try await body(service, swarm)
            await service.end()
            return figure
        } catch {
            await service.end()
            throw error
        }
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private static func hundredths(_ value: Double) -> String { String((value * 100).rounded() / 100) }
}
