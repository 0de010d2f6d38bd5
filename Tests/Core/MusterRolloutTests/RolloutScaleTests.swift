import ByteCoding
import CanonicalJSON
import MusterModel
import Testing

@testable import MusterRollout

/// How much of a rollout one event looks at and writes: it must not depend on how many nodes there are.
@Suite("Large rollouts")
struct RolloutScaleTests {
    /// The most that any step after the first looked at, and wrote.
    private struct Most {
        var visits = 0
        var written = 0
    }

    @Test("a step looks at no more nodes, and writes no more, in a fleet that is ten times as large")
    func bounded() async throws {
        let small = try await most(nodes: 2000)
        let large = try await most(nodes: 20_000)
        #expect(large.visits <= 64, "\(large.visits)")
        #expect(large.written <= 32, "\(large.written)")
        #expect(large.visits <= small.visits + 8, "\(large.visits), \(small.visits)")
    }

    @Test("hours that open or close for every node, a halt and a resume look at nodes in flight only")
    func policy() async throws {
        var (rollout, now) = try rollout(nodes: 20_000)
        let ada = try #require(OperatorName("ada"))
        _ = rollout.takeChanges()
        let events: [RolloutEvent] = [
            .slots(["nights": .closed(until: now.adding(seconds: 600), reason: "frozen")]),
            .slots(["nights": .open(until: nil)]), .halt(reason: "look", by: ada), .resume(by: ada),
            .urgency(skipsBake: true), .cancel(reason: "enough", by: ada),
        ]
        for event in events {
            now = now.adding(seconds: 1)
            _ = rollout.apply(event, at: now)
            #expect(rollout.visits <= 128, "\(event)")
            #expect(rollout.takeChanges().nodes.count <= 32, "\(event)")
        }
        await Task.yield()
    }

    private func rollout(nodes count: Int) throws -> (Rollout, UTCTime) {
        let now = UTCTime(seconds: 1_800_000_000)
        var rollout = Rollout(
            id: try #require(RolloutID("00112233445566778899aabbccddeeff")),
            version: "2.0",
            strategy: RolloutStrategy(
                stages: [.count(5), .percent(10), .percent(100)],
                bakeSeconds: 60,
                maxInFlight: 16
            ),
            expires: now.adding(seconds: 864_000),
            isApproved: true
        )
        _ = rollout.apply(.slots(["nights": .open(until: nil)]), at: now)
        let facts = try (0..<count).map {
            NodeFact(node: try RolloutBench.id($0), version: "1.0", lastSeen: now, hours: "nights")
        }
        _ = rollout.apply(.nodesSelected(facts), at: now)
        return (rollout, now)
    }

    /// Every assigned node is seen, begins and confirms, one in fifty is silent, for some thousand events.
    private func most(nodes count: Int) async throws -> Most {
        var (rollout, now) = try rollout(nodes: count)
        _ = rollout.takeChanges()
        var most = Most()
        func apply(_ event: RolloutEvent) {
            _ = rollout.apply(event, at: now)
            most.visits = max(most.visits, rollout.visits)
            most.written = max(most.written, rollout.takeChanges().nodes.count)
        }
        var steps = 0
        while rollout.phase == .running, steps < 1000 {
            for node in rollout.assignedNodes {
                steps += 1
                now = now.adding(seconds: 1)
                apply(.seen(node))
                if steps % 50 == 0 { continue }
                for state in [NodeProgress.State.installing, .confirmed] {
                    apply(
                        .reported(
                            node,
                            NodeProgress(rollout: rollout.id, state: state, version: "2.0", reason: "", at: now)
                        )
                    )
                }
            }
            if let deadline = rollout.nextDeadline(after: now), rollout.assignedNodes.isEmpty { now = deadline }
            apply(.tick)
            await Task.yield()
        }
        return most
    }
}
