import ByteCoding
import MusterModel
import MusterRollout
import Testing

/// Halts by rate, by contact lost after the confirmation, and by metrics.
@Suite("Health of upgraded nodes")
struct RolloutHealthTests {
    private func strategy(_ metrics: [RolloutStrategy.Metric]) -> RolloutStrategy {
        RolloutStrategy(stages: [.count(3), .percent(100)], bakeSeconds: 600, metrics: metrics)
    }

    private func measured(_ bench: inout RolloutBench, _ values: (Int) -> Int64) -> [RolloutEffect] {
        bench.rollout.nodes.enumerated().flatMap { index, node in
            bench.apply(.measured(node.id, ["p99": values(index)]))
        }
    }

    @Test("an upgrade that makes the figure worse than before, more than elsewhere, halts with the numbers")
    func regression() throws {
        var bench = try RolloutBench(nodes: 10, strategy([.init(name: "p99", percent: 20, least: 3)]))
        #expect(measured(&bench) { Int64(100 + $0) }.isEmpty)
        #expect(bench.confirmAll().assigned.isEmpty)
        bench.rollout = try bench.restarted()
        let effects = measured(&bench) { $0 < 3 ? 200 : Int64(110 + $0) }
        #expect(
            effects.haltReason == "metric 'p99' changed by +98% on 3 upgraded nodes, by 0% on 7 not yet upgraded "
                + "(medians); 20% higher is allowed"
        )
        #expect(bench.wait(600).assigned.isEmpty)
        #expect(bench.apply(.resume(by: try #require(OperatorName("ada")))).haltReason == nil)
        #expect(measured(&bench) { $0 < 3 ? 200 : Int64(110 + $0) }.haltReason == nil)
    }

    @Test("what becomes worse everywhere at once is not the upgrade's doing")
    func everywhere() throws {
        var bench = try RolloutBench(nodes: 10, strategy([.init(name: "p99", percent: 20, least: 3)]))
        _ = measured(&bench) { Int64(100 + $0) }
        _ = bench.confirmAll()
        for round in 1...5 as ClosedRange<Int64> {
            // Nodes that are not upgraded first, as they come first in no particular order.
            for (index, node) in bench.rollout.nodes.enumerated().reversed() {
                #expect(bench.apply(.measured(node.id, ["p99": Int64(100 + index) * (1 + round)])).isEmpty)
            }
        }
        #expect(bench.wait(600).assigned.count == 7)
    }

    @Test("fewer nodes than asked for decide nothing, and one that reports nonsense does not decide alone")
    func fewAndOdd() throws {
        var bench = try RolloutBench(nodes: 10, strategy([.init(name: "p99", percent: 20, least: 3)]))
        _ = measured(&bench) { Int64(100 + $0) }
        let nodes = bench.assigned
        _ = bench.report(nodes[0], .confirmed)
        #expect(bench.apply(.measured(nodes[0], ["p99": 100_000])).isEmpty)
        _ = bench.confirmAll()
        #expect(bench.apply(.measured(nodes[1], ["p99": 101])).isEmpty)
        #expect(bench.apply(.measured(nodes[2], ["p99": 102])).isEmpty)
        #expect(bench.wait(600).assigned.count == 7)
    }

    @Test("a figure that only upgraded nodes have is compared with nothing, one that all have by its level")
    func levels() throws {
        var bench = try RolloutBench(nodes: 10, strategy([.init(name: "free", worse: .lower, percent: 50, least: 2)]))
        let upgraded = bench.assigned
        _ = bench.confirmAll()
        for node in upgraded { #expect(bench.apply(.measured(node, ["free": 10_000])).isEmpty) }
        let others = bench.rollout.nodes.filter { $0.state == .waiting }.map(\.id)
        #expect(bench.apply(.measured(others[0], ["free": 100_000])).isEmpty)
        let reason = bench.apply(.measured(others[1], ["free": 102_000])).haltReason
        #expect(
            reason == "metric 'free' is 10 on 3 upgraded nodes, 101 on 2 not yet upgraded (medians), which is -90%; "
                + "50% lower is allowed"
        )
    }

    @Test("without metrics nothing is kept of what nodes measure")
    func without() throws {
        var bench = try RolloutBench(nodes: 2, strategy([]))
        let revision = bench.rollout.revision
        _ = measured(&bench) { Int64($0) }
        #expect(bench.rollout.revision == revision)
    }

    @Test("a node that confirmed and went away counts as lost, and is confirmed again when it says so")
    func silent() throws {
        let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0, maxInFlight: 1)
        var bench = try RolloutBench(nodes: 3, strategy)
        let node = bench.assigned[0]
        #expect(!bench.rollout.needs(silent: node))
        _ = bench.report(node, .confirmed)
        #expect(bench.rollout.needs(silent: node))
        let effects = bench.apply(.silent(node, since: bench.now))
        let reason = "lost contact: confirmed, and not in contact since \(bench.now)"
        #expect(effects.contains(.failed(node, reason: reason)))
        #expect(effects.haltReason == "1 node failed, 0 allowed; the last: \(reason)")
        #expect(bench.apply(.silent(node, since: bench.now)).isEmpty)
        _ = bench.report(node, .confirmed)
        #expect(bench.rollout.node(node)?.state == .confirmed)
        #expect(bench.rollout.failures == 1)
    }

    @Test("failures within the percent of the nodes that are done are borne, and never more")
    func rate() throws {
        let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0, maxInFlight: 1, maxFailurePercent: 10)
        var bench = try RolloutBench(nodes: 40, strategy)
        for _ in 0..<19 { _ = bench.confirmAll() }
        #expect(bench.report(bench.assigned[0], .failed).haltReason == nil)
        let effects = bench.report(bench.assigned[0], .refused, "no")
        #expect(bench.rollout.failures == 2)
        #expect(effects.haltReason == nil)
        #expect(
            bench.report(bench.assigned[0], .rolledBack, "it crashed").haltReason
                == "3 nodes failed, 2 allowed (10% of 22 that are done); the last: it crashed"
        )
    }

    @Test("a node that failed and works after all is one that is done, not two")
    func doneOnce() throws {
        let strategy = RolloutStrategy(
            stages: [.percent(100)],
            bakeSeconds: 0,
            maxInFlight: 5,
            maxFailures: 2,
            maxFailurePercent: 60
        )
        var bench = try RolloutBench(nodes: 10, strategy)
        let nodes = Array(bench.assigned.prefix(3))
        for node in nodes.prefix(2) { #expect(bench.report(node, .rolledBack, "odd").haltReason == nil) }
        for node in nodes.prefix(2) { _ = bench.report(node, .confirmed) }
        bench.rollout = try bench.restarted()
        #expect(
            bench.report(nodes[2], .rolledBack, "it crashed").haltReason
                == "3 nodes failed, 2 allowed (60% of 3 that are done); the last: it crashed"
        )
    }
}
