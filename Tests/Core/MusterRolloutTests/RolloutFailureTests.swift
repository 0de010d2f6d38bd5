import ByteCoding
import MusterModel
import MusterRollout
import Testing

@Suite("Failures, halts and ends")
struct RolloutFailureTests {
    private let oneStage = RolloutStrategy(
        stages: [.percent(100)],
        bakeSeconds: 0,
        maxInFlight: 3,
        maxFailures: 1,
        startDeadlineSeconds: 600,
        finishDeadlineSeconds: 300
    )

    @Test("one failure more than allowed halts with a reason and assigns nobody else")
    func halts() throws {
        var bench = try RolloutBench(nodes: 10, oneStage)
        let nodes = bench.assigned
        _ = bench.report(nodes[2], .installing)
        #expect(bench.report(nodes[0], .refused, "statement expired").assigned.count == 1)
        let effects = bench.report(nodes[1], .rolledBack, "health check failed")
        #expect(effects.haltReason == "2 nodes failed, 1 allowed; the last: health check failed")
        #expect(effects.assigned.isEmpty)
        #expect(effects.withdrawn.count == 2)
        #expect(bench.assigned == [nodes[2]])
        #expect(bench.report(nodes[2], .confirmed) == [])
        #expect(bench.wait(600) == [])
    }

    @Test("a node that is lost after it began counts as failed; one never seen does not")
    func lostContact() throws {
        var bench = try RolloutBench(nodes: 3, oneStage)
        let nodes = bench.assigned
        _ = bench.report(nodes[0], .confirming)
        let lost = bench.wait(300)
        #expect(bench.rollout.node(nodes[0])?.state == .lost)
        #expect(lost.count == 2 && bench.rollout.failures == 1)
        _ = bench.apply(.seen(nodes[2]))
        _ = bench.wait(1)
        _ = bench.apply(.seen(nodes[2]))
        let effects = bench.wait(299)
        #expect(bench.rollout.node(nodes[1])?.state == .skipped)
        #expect(bench.rollout.node(nodes[2])?.state == .failed)
        #expect(effects.haltReason?.contains("did not begin within 600 s") == true)
    }

    @Test(
        "a node that was handed its assignment and is silent since keeps its place until no manifest is good any more"
    )
    func silence() throws {
        var bench = try RolloutBench(nodes: 1, oneStage)
        let node = bench.assigned[0]
        _ = bench.apply(.seen(node))
        #expect(bench.wait(600) == [.withdraw(node)])
        #expect(bench.rollout.counts.inFlight == 1)
        #expect(bench.rollout.nextDeadline(after: bench.now) == bench.now.adding(seconds: UpdateManifest.lifetime))
        #expect(bench.wait(UpdateManifest.lifetime).contains(.onlySkippedRemain(1)))
        #expect(bench.apply(.seen(node)) == [.assign(node)])
        #expect(bench.rollout.failures == 0)
    }

    @Test("a late word of a node that was given up corrects its state, and its failure is counted once")
    func lateWord() throws {
        var bench = try RolloutBench(nodes: 2, oneStage)
        let node = bench.assigned[0]
        _ = bench.report(node, .installing)
        _ = bench.wait(300)
        _ = bench.report(node, .rolledBack, "boot failed")
        #expect(bench.rollout.node(node)?.state == .rolledBack)
        #expect(bench.rollout.failures == 1 && bench.rollout.phase == .running)
        _ = bench.report(node, .confirmed)
        #expect(bench.rollout.node(node)?.state == .confirmed)
        #expect(bench.report(node, .failed) == [])
    }

    @Test("a node that confirms another version counts as failed")
    func wrongVersion() throws {
        var bench = try RolloutBench(nodes: 1, oneStage)
        _ = bench.report(bench.assigned[0], .confirmed, version: "1.0")
        #expect(bench.rollout.nodes[0].reason == "confirmed version 1.0 instead of 2.0")
    }

    @Test("a node that was never assigned cannot report a failure")
    func falseFailure() throws {
        var bench = try RolloutBench(nodes: 10, oneStage)
        let other = try #require(bench.rollout.nodes.first { $0.state == .waiting })
        #expect(bench.report(other.id, .failed, "made up") == [])
        #expect(bench.rollout.failures == 0)
    }

    @Test("nothing is assigned before the approvals are there")
    func approval() throws {
        var bench = try RolloutBench(nodes: 2, oneStage, isApproved: false)
        #expect(bench.assigned.isEmpty && bench.rollout.phase == .awaitingApproval)
        #expect(bench.apply(.halt(reason: "wait", by: try ada())).haltReason == "halted by ada: wait")
        #expect(bench.apply(.approved) == [])
        #expect(bench.apply(.resume(by: try ada())).assigned.count == 2)
    }

    @Test("an operator halts and resumes: those who may have begun keep their place and go first")
    func haltAndResume() throws {
        var bench = try RolloutBench(nodes: 10, oneStage)
        let nodes = bench.assigned
        _ = bench.report(nodes[0], .verified)
        let halted = bench.apply(.halt(reason: "look first", by: try ada()))
        #expect(halted.withdrawn == nodes)
        #expect(bench.rollout.counts.inFlight == 1)
        #expect(bench.wait(10) == [])
        #expect(bench.apply(.resume(by: try ada())) == [.resumed(by: try ada())] + nodes.map { .assign($0) })
    }

    @Test("resuming forgives the failures so far, not the next ones")
    func forgiven() throws {
        var bench = try RolloutBench(nodes: 10, oneStage)
        let nodes = bench.assigned
        _ = bench.report(nodes[0], .failed, "a")
        _ = bench.report(nodes[1], .failed, "b")
        #expect(bench.apply(.resume(by: try ada())).assigned.count == 3)
        #expect(bench.report(bench.assigned[0], .failed, "c").haltReason == nil)
        #expect(bench.report(bench.assigned[0], .failed, "d").haltReason?.hasPrefix("2 nodes failed") == true)
    }

    @Test("cancelling ends it for good")
    func cancelled() throws {
        var bench = try RolloutBench(nodes: 5, oneStage)
        let nodes = bench.assigned
        #expect(
            bench.apply(.cancel(reason: "wrong package", by: try ada())).endReason == "cancelled by ada: wrong package"
        )
        #expect(bench.assigned.isEmpty)
        #expect(bench.apply(.resume(by: try ada())) == [])
        #expect(bench.apply(.nodesSelected([try RolloutBench.fact(77, lastSeen: bench.now)])) == [])
        _ = bench.report(nodes[0], .confirmed)
        #expect(bench.rollout.counts[.confirmed] == 0 || bench.rollout.node(nodes[0])?.state == .confirmed)
    }

    @Test("a rollout that nobody ended ends when its statement expires")
    func expires() throws {
        var bench = try RolloutBench(nodes: 2, oneStage, expiresIn: 1000, isApproved: false)
        #expect(bench.rollout.nextDeadline(after: bench.now) == bench.now.adding(seconds: 1000))
        #expect(bench.wait(999) == [])
        #expect(bench.wait(1).endReason?.hasSuffix("while it waited for approval") == true)
    }

    @Test("a clock that steps back moves no deadline")
    func clockStepsBack() throws {
        var bench = try RolloutBench(nodes: 1, oneStage)
        bench.now = bench.now.adding(seconds: -100_000)
        let node = bench.assigned[0]
        #expect(bench.apply(.seen(node)) == [])
        bench.now = bench.now.adding(seconds: 100_001)
        #expect(bench.apply(.seen(node)) == [])
        bench.now = bench.now.adding(seconds: 598)
        #expect(bench.apply(.tick) == [])
        bench.now = bench.now.adding(seconds: 1)
        #expect(bench.apply(.tick).contains(.completed))
    }

    private func ada() throws -> OperatorName { try #require(OperatorName("ada")) }
}
