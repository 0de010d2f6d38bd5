import ByteCoding
import MusterModel
import MusterRollout
import MusterTestSupport
import Testing

/// Ten thousand seeded bad releases, each on a small fleet of its own.
@Suite("Bad releases")
struct BadReleaseTests {
    @Test("a bad release halts within the allowed failures, whatever it does to nodes", arguments: 0..<10)
    func halts(shard: Int) async throws {
        for number in 0..<1000 {
            let seed = UInt64(shard * 1000 + number)
            var release = try BadRelease(seed: seed)
            if let wrong = release.run() { Issue.record("seed \(seed), \(release.harm): \(wrong)") }
            await Task.yield()
        }
    }
}

/// One release that is bad in one way on every node, or on most of them.
struct BadRelease {
    enum Harm: CaseIterable {
        case fails
        case refuses
        case rollsBack
        case losesContact
        case losesContactLater
        case isWorse
    }

    let harm: Harm
    private var random: SeededGenerator
    private var bench: RolloutBench
    private let strategy: RolloutStrategy
    private let percent: Int
    private var fates: [NodeID: Bool] = [:]

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        harm = random.pick(Harm.allCases)
        percent = harm == .isWorse ? 100 : random.pick([60, 80, 100])
        strategy = RolloutStrategy(
            stages: [.count(random.number(1...3)), .percent(random.number(10...60)), .percent(100)],
            bakeSeconds: random.pick([0, 60]),
            maxInFlight: random.number(1...8),
            maxFailures: random.number(0...3),
            maxFailurePercent: random.pick([nil, nil, 5, 20]),
            groups: random.chance(30) ? [.init(name: "none", nodes: [])] : [],
            safetyInFlight: random.number(1...4),
            metrics: [.init(name: "p99", percent: 25, least: random.number(1...4))]
        )
        // Enough of them that a release which harms most must go beyond what is borne.
        bench = try RolloutBench(nodes: random.number(20...40), strategy)
    }

    /// Runs until nothing more happens; says what is wrong, nil where nothing is.
    mutating func run() -> String? {
        var upgraded: [NodeID] = []
        if harm == .isWorse {
            for node in bench.rollout.nodes.map(\.id).reversed() { measure(node, 100) }
        }
        for _ in 0..<2000 {
            guard bench.rollout.phase == .running else { break }
            guard let node = next() else {
                guard let deadline = bench.rollout.nextDeadline(after: bench.now) else { break }
                bench.now = deadline
                _ = bench.apply(.tick)
                continue
            }
            bench.now = bench.now.adding(seconds: Int64(random.number(0...3)))
            if bringOn(node) { upgraded.append(node) }
        }
        guard case .halted(let reason, nil) = bench.rollout.phase else { return "ended as \(bench.rollout.phase)" }
        guard !reason.isEmpty else { return "halted without a reason" }
        return harm == .isWorse ? checkWorse(upgraded.count, reason) : checkFailures()
    }

    private mutating func next() -> NodeID? {
        let assigned = bench.rollout.assignedNodes.filter {
            bench.rollout.node($0)?.state != .installing || harm != .losesContact
        }
        return assigned.isEmpty ? nil : random.pick(assigned)
    }

    /// The node goes all the way; true where it ends with the new version.
    private mutating func bringOn(_ node: NodeID) -> Bool {
        let isHarmed = fates[node] ?? random.chance(percent)
        fates[node] = isHarmed
        if isHarmed, harm == .refuses {
            _ = bench.report(node, .refused, "it is not believed")
            return false
        }
        measure(node, 100)
        _ = bench.report(node, .installing)
        switch harm {
        case .fails where isHarmed: _ = bench.report(node, .failed, "it does not install")
        case .rollsBack where isHarmed: _ = bench.report(node, .rolledBack, "it does not start")
        case .losesContact where isHarmed: break
        default:
            _ = bench.report(node, .confirmed)
            measure(node, isHarmed && harm == .isWorse ? Int64(random.number(180...250)) : 100)
            if isHarmed, harm == .losesContactLater { _ = bench.apply(.silent(node, since: bench.now)) }
            return true
        }
        return false
    }

    private mutating func measure(_ node: NodeID, _ value: Int64) {
        if harm == .isWorse, bench.rollout.needs(measured: node) { _ = bench.apply(.measured(node, ["p99": value])) }
    }

    private func checkFailures() -> String? {
        let nodes = bench.rollout.nodes
        let failed = nodes.filter(\.state.isFailure).count
        let done = failed + nodes.filter { $0.state == .confirmed }.count
        let allowed = max(strategy.maxFailures, done * (strategy.maxFailurePercent ?? 0) / 100)
        // The failure that halts it is one more than allowed; deadlines of several nodes may pass at one moment.
        let together = harm == .losesContact ? strategy.maxInFlight : 1
        return failed > allowed + together ? "\(failed) nodes failed, \(allowed) allowed" : nil
    }

    private func checkWorse(_ upgraded: Int, _ reason: String) -> String? {
        guard reason.hasPrefix("metric 'p99' changed by +") else { return "halted as \(reason)" }
        let least = strategy.metrics[0].least
        return upgraded > least ? "\(upgraded) nodes upgraded, \(least) are enough to see it" : nil
    }
}
