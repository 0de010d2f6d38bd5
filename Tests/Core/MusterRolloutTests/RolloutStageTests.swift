import ByteCoding
import MusterModel
import MusterRollout
import Testing

@Suite("Stages, gates and turns")
struct RolloutStageTests {
    private let threeStages = RolloutStrategy(
        stages: [.count(1), .percent(50), .percent(100)],
        bakeSeconds: 60,
        maxInFlight: 3,
        startDeadlineSeconds: 600,
        finishDeadlineSeconds: 300
    )

    @Test("a canary goes first, then half, then everyone, each after the bake time")
    func stagesInOrder() throws {
        var bench = try RolloutBench(nodes: 0, threeStages)
        let first = bench.apply(.nodesSelected(try (1...10).map { try RolloutBench.fact($0, lastSeen: bench.now) }))
        #expect(first.first == .stageOpened(0))
        #expect(first.assigned.count == 1)
        let canary = try #require(first.assigned.first)
        #expect(bench.report(canary, .confirmed) == [.stageBaking(0, until: bench.now.adding(seconds: 60))])
        #expect(bench.wait(59) == [])
        let second = bench.wait(1)
        #expect(second.first == .stageOpened(1))
        #expect(second.assigned.count == 3)
        #expect(bench.report(second.assigned[0], .confirmed).assigned.count == 1)
        #expect(bench.confirmAll() == [.stageBaking(1, until: bench.now.adding(seconds: 60))])
        #expect(bench.rollout.counts[.confirmed] == 5)
        #expect(bench.wait(60).first == .stageOpened(2))
        #expect(bench.confirmAll().assigned.count == 2)
        #expect(bench.confirmAll() == [.completed])
        #expect(bench.rollout.phase == .completed)
        #expect(bench.rollout.nextDeadline(after: bench.now) == nil)
    }

    @Test("the last stage is everyone even where it says less")
    func lastStageIsEveryone() throws {
        var bench = try RolloutBench(nodes: 4, RolloutStrategy(stages: [.count(1)], bakeSeconds: 0))
        #expect(bench.assigned.count == 4)
        #expect(bench.confirmAll() == [.completed])
    }

    @Test("the order of nodes depends on the rollout and the nodes only")
    func order() throws {
        let one = try RolloutBench(nodes: 20, threeStages)
        var other = try RolloutBench(nodes: 0, threeStages)
        let facts = try (1...20).reversed().map { try RolloutBench.fact($0, lastSeen: other.now) }
        _ = other.apply(.nodesSelected(facts))
        #expect(one.rollout.nodes == other.rollout.nodes)
        #expect(one.rollout.nodes.map(\.id) != one.rollout.nodes.map(\.id).sorted())
    }

    @Test("a node that has the version already counts as done and is not assigned")
    func alreadyThere() throws {
        var bench = try RolloutBench(nodes: 0, threeStages)
        let facts = try (1...3).map { try RolloutBench.fact($0, version: "2.0", lastSeen: bench.now) }
        #expect(bench.apply(.nodesSelected(facts)) == [.stageOpened(0), .completed])
    }

    @Test("a rollout that selects no node is complete at once")
    func nobody() throws {
        var bench = try RolloutBench(nodes: 0, threeStages)
        #expect(bench.apply(.tick) == [])
        #expect(bench.apply(.nodesSelected([])) == [.stageOpened(0), .completed])
    }

    @Test("a canary that is not in contact is replaced by the next node, and gets its update when it returns")
    func canaryOffline() throws {
        var bench = try RolloutBench(nodes: 3, threeStages)
        let canary = try #require(bench.assigned.first)
        let effects = bench.wait(600)
        #expect(effects.withdrawn == [canary])
        #expect(effects.assigned.count == 1 && effects.assigned != [canary])
        #expect(bench.rollout.node(canary)?.reason == "not in contact within 600 s of its assignment")
        #expect(bench.apply(.seen(canary)).assigned == [])
        _ = bench.confirmAll()
        #expect(bench.wait(60).assigned == [canary])
    }

    @Test("nodes known to be out of contact take no place in flight, and the rollout waits for them until it expires")
    func onlyOfflineRemain() throws {
        var bench = try RolloutBench(nodes: 0, threeStages)
        var facts = try (1...3).map { try RolloutBench.fact($0, lastSeen: bench.now) }
        facts.append(try RolloutBench.fact(4, lastSeen: nil))
        facts.append(try RolloutBench.fact(5, lastSeen: bench.now.adding(seconds: -601)))
        _ = bench.apply(.nodesSelected(facts))
        var effects: [RolloutEffect] = []
        for _ in 1...3 {
            effects += bench.confirmAll() + bench.wait(60)
        }
        #expect(effects.contains(.onlySkippedRemain(2)))
        #expect(bench.rollout.waitsOnlyForSkipped)
        #expect(bench.apply(.seen(try RolloutBench.id(4))).assigned == [try RolloutBench.id(4)])
        #expect(bench.report(try RolloutBench.id(4), .confirmed) == [.onlySkippedRemain(1)])
        #expect(bench.wait(86400).endReason?.contains("4 of 5 nodes confirmed, 1 not in contact") == true)
    }

    @Test("a node that joins late comes after all others, and still has its turn")
    func lateJoiner() throws {
        var bench = try RolloutBench(nodes: 4, threeStages)
        let late = try RolloutBench.fact(99, lastSeen: bench.now)
        #expect(bench.apply(.nodesSelected([late])).assigned == [])
        var order: [NodeID] = []
        while bench.rollout.phase == .running {
            order += bench.assigned
            _ = bench.confirmAll()
            order += bench.wait(60).assigned
        }
        #expect(order.last == late.node)
        #expect(bench.rollout.phase == .completed)
    }

    @Test("a node that is removed frees its place and holds up nothing")
    func removed() throws {
        var bench = try RolloutBench(nodes: 2, threeStages)
        let canary = try #require(bench.assigned.first)
        let effects = bench.apply(.nodeRemoved(canary, reason: "removed: sold"))
        #expect(effects.withdrawn == [canary] && effects.assigned.count == 1)
        #expect(bench.confirmAll() == [.completed])
        #expect(bench.report(canary, .failed) == [])
    }

    @Test("the summary tells for each stage its size and its nodes by state")
    func summary() throws {
        var bench = try RolloutBench(nodes: 10, threeStages)
        #expect(bench.rollout.summary.map(\.size) == [1, 4, 5])
        #expect(bench.rollout.summary.map(\.state) == [.open, .waiting, .waiting])
        _ = bench.confirmAll()
        #expect(bench.rollout.summary[0].state == .baking(until: bench.now.adding(seconds: 60)))
        #expect(bench.rollout.summary[0].counts[.confirmed] == 1)
        _ = bench.wait(60)
        #expect(bench.rollout.summary.map(\.state) == [.complete, .open, .waiting])
        #expect(bench.rollout.summary[1].counts.inFlight == 3)
        #expect(
            bench.rollout.nodes.indices.map { bench.rollout.expectedStage(ofNodeAt: $0) } == [
                0, 1, 1, 1, 1, 2, 2, 2, 2, 2,
            ]
        )
    }
}
