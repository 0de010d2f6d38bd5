import ByteCoding
import MusterModel
import MusterRollout
import Testing

/// Groups, the safety group, and limits by tag.
@Suite("Groups and limits of a rollout")
struct RolloutGroupTests {
    private func tag(_ name: String) throws -> NodeTag { try #require(NodeTag(name)) }

    private func bench(
        _ strategy: RolloutStrategy,
        _ tags: [[String]],
        limits: [NodeTag: FleetLimit] = [:]
    ) throws -> RolloutBench {
        var bench = try RolloutBench(nodes: 0, strategy)
        if !limits.isEmpty { _ = bench.apply(.fleetLimits(limits)) }
        let now = bench.now
        let facts = try tags.enumerated().map {
            NodeFact(
                node: try RolloutBench.id($0.offset + 1),
                version: "1.0",
                lastSeen: now,
                tags: Set(try $0.element.map(tag))
            )
        }
        _ = bench.apply(.nodesSelected(facts))
        return bench
    }

    private func strategy(_ groups: [String], bake: Int = 0, safety: Int = 1) throws -> RolloutStrategy {
        RolloutStrategy(
            stages: [.percent(100)],
            bakeSeconds: bake,
            groups: try groups.map { .init(name: $0, nodes: [.tag(try tag($0))]) },
            safetyInFlight: safety
        )
    }

    private func nodes(_ numbers: Int...) throws -> Set<NodeID> { Set(try numbers.map(RolloutBench.id)) }

    @Test("groups have their turns in order, and nodes that none names come last, one at a time")
    func order() throws {
        var bench = try bench(try strategy(["test", "web"]), [["web"], [], ["test"], [], ["web", "test"]])
        #expect(Set(bench.assigned) == (try nodes(3, 5)))
        #expect(
            bench.rollout.reason(ofNodeAt: try bench.place(RolloutBench.id(1)))
                == "group 'web' has its turn after group 'test'"
        )
        _ = bench.report(try RolloutBench.id(3), .confirmed)
        #expect(Set(bench.assigned) == (try nodes(5)))
        #expect(bench.report(try RolloutBench.id(5), .confirmed).contains(.groupOpened(1)))
        #expect(Set(bench.assigned) == (try nodes(1)))
        let effects = bench.report(try RolloutBench.id(1), .confirmed)
        #expect(effects.contains(.groupOpened(2)) && effects.assigned.count == 1)
        let waiting = try #require(bench.rollout.nodes.firstIndex { $0.state == .waiting })
        #expect(bench.rollout.reason(ofNodeAt: waiting) == "at most 1 of the safety group at one moment")
        #expect(bench.confirmAll().assigned.count == 1)
        #expect(bench.confirmAll() == [.completed])
    }

    @Test("a group that is done bakes before the next one has its turn; one without nodes does not")
    func bakes() throws {
        var bench = try bench(try strategy(["none", "test"], bake: 300), [["test"], []])
        #expect(Set(bench.assigned) == (try nodes(1)))
        let until = bench.now.adding(seconds: 300)
        #expect(bench.confirmAll() == [.stageBaking(0, until: until)])
        #expect(bench.wait(300).assigned == [try RolloutBench.id(2)])
    }

    @Test("nodes that are not in contact do not keep the groups after theirs waiting; closed hours do")
    func skippedGroup() throws {
        var bench = try RolloutBench(nodes: 0, try strategy(["test"]))
        let test = try tag("test")
        let opens = bench.now.adding(seconds: 600)
        _ = bench.apply(.slots(["a": .closed(until: opens, reason: "outside its hours")]))
        _ = bench.apply(
            .nodesSelected([
                NodeFact(node: try RolloutBench.id(1), version: "1.0", lastSeen: nil, tags: [test]),
                NodeFact(node: try RolloutBench.id(2), version: "1.0", lastSeen: bench.now, tags: [test], hours: "a"),
                NodeFact(node: try RolloutBench.id(3), version: "1.0", lastSeen: bench.now),
            ])
        )
        #expect(bench.assigned.isEmpty)
        #expect(bench.rollout.hold?.reason == "1 node: outside its hours")
        _ = bench.apply(.slots(["a": .closed(until: nil, reason: "never")]))
        #expect(Set(bench.assigned) == (try nodes(3)))
    }

    @Test("of a tag with a limit no more are changed at once, and a lost one keeps its place until an operator looks")
    func tagLimit() throws {
        var strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0, maxFailures: 3)
        let db = try tag("db")
        strategy.tagInFlight = [db: 1]
        var bench = try bench(strategy, [["db"], ["db", "web"], ["web"]])
        #expect(bench.assigned.count == 2)
        #expect(bench.rollout.inFlightByTag == [db: 1])
        _ = bench.report(try RolloutBench.id(3), .confirmed)
        let first = try #require(bench.assigned.first)
        _ = bench.report(first, .installing)
        let effects = bench.wait(900)
        #expect(bench.rollout.node(first)?.state == .lost)
        let reason = "1 node: at most 1 with tag db at one moment: 1 changing (1 of them lost)"
        #expect(effects.contains(.holding(reason: reason, until: nil)))
        bench.rollout = try bench.restarted()
        #expect(bench.wait(60).isEmpty)
        #expect(bench.report(first, .confirmed).assigned.count == 1)
    }

    @Test("resuming lets nodes with a limited tag go on although one is lost")
    func resumed() throws {
        var strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0)
        strategy.tagInFlight = [try tag("db"): 1]
        var bench = try bench(strategy, [["db"], ["db"]])
        _ = bench.report(try #require(bench.assigned.first), .installing)
        #expect(bench.wait(900).haltReason != nil)
        #expect(bench.apply(.resume(by: try #require(OperatorName("ada")))).assigned.count == 1)
    }

    @Test("what other rollouts are changing counts against the limits of the fleet")
    func fleetLimit() throws {
        let db = try tag("db")
        let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0)
        var bench = try bench(strategy, [["db"]], limits: [db: FleetLimit(most: 1, others: 1)])
        #expect(bench.assigned.isEmpty)
        #expect(
            bench.rollout.hold?.reason
                == "1 node: at most 1 with tag db in the whole fleet at one moment: 0 changing, 1 by other rollouts"
        )
        bench.rollout = try bench.restarted()
        #expect(bench.apply(.fleetLimits([db: FleetLimit(most: 1, others: 0)])).assigned.count == 1)
        #expect(bench.apply(.fleetLimits([db: FleetLimit(most: 1, others: 1)])).isEmpty)
    }
}
