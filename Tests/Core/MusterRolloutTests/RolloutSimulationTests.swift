import Glibc
import MusterRollout
import Testing

/// Thousands of random fleets under loss, duplication, reordering, restarts, failing releases, nodes that go, come and
/// die, and operators who halt and resume; the `Referee` checks every rule after every event.
///
/// A failing seed is printed; `MUSTER_SIMULATION_SEED=<seed> packaging/test --filter RolloutSimulationTests` replays it alone.
@Suite("Rollouts under simulation")
struct RolloutSimulationTests {
    private static let fleetsPerShard = 250

    @Test("every fleet keeps every rule, with and without restarts of the service", arguments: 0..<8)
    func fleets(shard: Int) async throws {
        if let seed = Self.chosenSeed {
            if shard == 0 { try check(seed) }
            return
        }
        for number in 0..<Self.fleetsPerShard {
            try check(UInt64(shard * 1_000_000 + number))
            // Other tests wait for programs and clocks on the same few threads.
            await Task.yield()
        }
    }

    @Test("the simulation meets what it is for: ends of every kind, failures, skipped and lost nodes")
    func coverage() throws {
        var phases: Set<String> = []
        var states: Set<RolloutNode.State> = []
        for seed in 0..<150 as Range<UInt64> {
            var simulation = try Simulation(seed: seed, restartPercent: 0)
            try simulation.run()
            phases.insert(simulation.rollout.phase.name)
            states.formUnion(simulation.rollout.nodes.map(\.state))
            if simulation.history.contains(where: { if case .halted = $0 { true } else { false } }) {
                phases.insert("halted")
            }
        }
        #expect(phases == ["complete", "expired", "cancelled", "halted"])
        #expect(states.isSuperset(of: [.confirmed, .failed, .refused, .rolledBack, .lost, .skipped, .removed]))
    }

    private static let chosenSeed: UInt64? = getenv("MUSTER_SIMULATION_SEED").flatMap { UInt64(String(cString: $0)) }

    private func check(_ seed: UInt64) throws {
        var steady = try Simulation(seed: seed, restartPercent: 0)
        try steady.run()
        var restarting = try Simulation(seed: seed, restartPercent: 8)
        try restarting.run()
        if let violation = steady.violation ?? restarting.violation {
            Issue.record("MUSTER_SIMULATION_SEED=\(seed): \(violation)")
        } else if steady.history != restarting.history {
            Issue.record("MUSTER_SIMULATION_SEED=\(seed): another history with restarts than without")
        }
    }
}
