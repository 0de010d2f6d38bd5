import ByteCoding
import MusterModel
import MusterRollout
import Testing

/// Nodes that are in contact and may do nothing, such as one whose key has expired.
@Suite("Nodes with an obstacle")
struct RolloutObstacleTests {
    private let reason = "its node key expired"
    private let everyone = RolloutStrategy(stages: [.count(2)], bakeSeconds: 0, maxInFlight: 10)

    private func fact(_ number: Int, _ obstacle: String?, at now: UTCTime, version: String = "1.0") throws -> NodeFact {
        NodeFact(node: try RolloutBench.id(number), version: version, lastSeen: now, obstacle: obstacle)
    }

    @Test("it is skipped with its reason, being seen does not bring it back, and it has its turn once it may")
    func fromTheStart() throws {
        var bench = try RolloutBench(nodes: 0, everyone)
        let facts = [try fact(1, reason, at: bench.now), try fact(2, nil, at: bench.now)]
        let blocked = facts[0].node
        #expect(bench.apply(.nodesSelected(facts)).assigned == [facts[1].node])
        #expect(bench.rollout.node(blocked)?.state == .skipped)
        #expect(bench.rollout.node(blocked)?.reason == reason)
        #expect(!bench.rollout.needs(seen: blocked))
        #expect(bench.apply(.seen(blocked)).isEmpty)
        #expect(bench.report(facts[1].node, .confirmed) == [.onlySkippedRemain(1)])
        bench.now = bench.now.adding(seconds: 60)
        #expect(bench.apply(.nodesSelected([try fact(1, nil, at: bench.now)])).assigned == [blocked])
        #expect(bench.report(blocked, .confirmed) == [.completed])
    }

    @Test("one that was handed its manifest keeps its place until that is of no use, then is skipped with its reason")
    func whileAssigned() throws {
        var bench = try RolloutBench(nodes: 1, everyone)
        let node = try #require(bench.assigned.first)
        _ = bench.apply(.seen(node))
        #expect(bench.apply(.nodesSelected([try fact(1, reason, at: bench.now)])) == [.withdraw(node)])
        #expect(bench.rollout.counts.inFlight == 1)
        #expect(bench.apply(.seen(node)).isEmpty)
        bench.rollout = try bench.restarted()
        let effects = bench.wait(UpdateManifest.lifetime)
        #expect(effects == [.skipped(node, reason: reason), .onlySkippedRemain(1)])
        #expect(bench.rollout.counts.inFlight == 0)
    }

    @Test("one that is installing is let finish")
    func whileInstalling() throws {
        var bench = try RolloutBench(nodes: 1, everyone)
        let node = try #require(bench.assigned.first)
        _ = bench.report(node, .installing)
        #expect(bench.apply(.nodesSelected([try fact(1, reason, at: bench.now)])).isEmpty)
        #expect(bench.report(node, .confirmed) == [.completed])
    }

    @Test("resuming a halted rollout does not assign it again")
    func resumed() throws {
        var bench = try RolloutBench(nodes: 1, everyone)
        let node = try #require(bench.assigned.first)
        let ada = try #require(OperatorName("ada"))
        _ = bench.apply(.seen(node))
        _ = bench.apply(.halt(reason: "look", by: ada))
        _ = bench.apply(.nodesSelected([try fact(1, reason, at: bench.now)]))
        bench.now = bench.now.adding(seconds: 3600)
        #expect(bench.apply(.resume(by: ada)) == [.resumed(by: ada)])
        #expect(bench.wait(UpdateManifest.lifetime).contains(.skipped(node, reason: reason)))
    }

    @Test("one that has the version already is done all the same")
    func upToDate() throws {
        var bench = try RolloutBench(nodes: 0, everyone)
        #expect(bench.apply(.nodesSelected([try fact(1, reason, at: bench.now, version: "2.0")])).contains(.completed))
    }

    @Test("one that leaves the fleet is passed by for good, with the reason why it left")
    func removed() throws {
        var bench = try RolloutBench(nodes: 2, everyone)
        let node = try RolloutBench.id(1)
        let effects = bench.apply(.nodeRemoved(node, reason: "removed: sold"))
        #expect(effects.contains(.removed(node, reason: "removed: sold")))
        #expect(bench.rollout.node(node)?.reason == "removed: sold")
        #expect(bench.rollout.node(node)?.state == .removed)
    }
}
