import Glibc
import MusterRun
import Testing

/// Thousands of random runs under loss, duplication, reordering, restarts of the service, machines that die, and operators.
///
/// A failing seed is printed; `MUSTER_SIMULATION_SEED=<seed> packaging/test --filter RunSimulationTests` replays it alone.
@Suite("Runs under simulation")
struct RunSimulationTests {
    private static let runsPerShard = 125

    @Test("every run keeps every rule, with and without restarts of the service", arguments: 0..<8)
    func runs(shard: Int) async throws {
        if let seed = Self.chosenSeed {
            if shard == 0 { try check(seed) }
            return
        }
        for number in 0..<Self.runsPerShard {
            try check(UInt64(shard * 1_000_000 + number))
            // Other tests wait for programs and clocks on the same few threads.
            await Task.yield()
        }
    }

    @Test("the simulation meets what it is for: ends of every kind, and nodes that end in every way")
    func coverage() async throws {
        var outcomes: Set<Run.Outcome> = []
        var states: Set<RunNode.State> = []
        for seed in 0..<400 as Range<UInt64> {
            var simulation = try RunSimulation(seed: seed, restartPercent: 1)
            simulation.simulate()
            if let outcome = simulation.run.outcome { outcomes.insert(outcome) }
            states.formUnion(simulation.run.nodes.map(\.state))
            await Task.yield()
        }
        #expect(outcomes == Set(Run.Outcome.allCases))
        #expect(states == Set(RunNode.State.allCases.filter(\.isOver)))
    }

    private static let chosenSeed: UInt64? = getenv("MUSTER_SIMULATION_SEED").flatMap { UInt64(String(cString: $0)) }

    private func check(_ seed: UInt64) throws {
        for restarts in [0, 2] {
            var simulation = try RunSimulation(seed: seed, restartPercent: restarts)
            simulation.simulate()
            if let violation = simulation.violations.first {
                Issue.record("MUSTER_SIMULATION_SEED=\(seed) with \(restarts)% restarts: \(violation)")
            }
        }
    }
}
