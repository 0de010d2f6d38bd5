import ByteCoding
import MusterModel
import MusterRollout
import Testing

/// Windows and freezes, as slots that the service tells.
@Suite("Hours of a rollout")
struct RolloutHoursTests {
    private let everyone = RolloutStrategy(
        stages: [.percent(100)],
        bakeSeconds: 0,
        maxInFlight: 10,
        startDeadlineSeconds: 600
    )

    private func bench(_ strategy: RolloutStrategy, _ hours: [String?], _ slots: [String: Slot]) throws -> RolloutBench
    {
        var bench = try RolloutBench(nodes: 0, strategy)
        _ = bench.apply(.slots(slots))
        let now = bench.now
        let facts = try hours.enumerated().map {
            NodeFact(node: try RolloutBench.id($0.offset + 1), version: "1.0", lastSeen: now, hours: $0.element)
        }
        _ = bench.apply(.nodesSelected(facts))
        return bench
    }

    private func closed(_ seconds: Int64, _ bench: RolloutBench) -> Slot {
        .closed(until: bench.now.adding(seconds: seconds), reason: "outside its hours")
    }

    @Test(
        "a node whose hours are closed waits with the reason, is neither failed nor skipped, and has its turn when they open"
    )
    func waits() throws {
        let start = UTCTime(seconds: 1_800_000_000)
        let opens = start.adding(seconds: 7200)
        var bench = try bench(
            everyone,
            ["nights", nil],
            ["nights": .closed(until: opens, reason: "outside its hours")]
        )
        let (night, day) = (try RolloutBench.id(1), try RolloutBench.id(2))
        #expect(bench.assigned == [day])
        #expect(bench.rollout.node(night)?.state == .waiting)
        #expect(bench.rollout.reason(ofNodeAt: try bench.place(night)) == "outside its hours")
        #expect(bench.rollout.hold == nil)
        let effects = bench.report(day, .confirmed)
        #expect(effects == [.holding(reason: "1 node: outside its hours", until: opens)])
        #expect(bench.rollout.hold == RolloutHold(reason: "1 node: outside its hours", until: opens))
        #expect(bench.rollout.nextDeadline(after: bench.now) == opens)
        #expect(bench.wait(3600).isEmpty)
        bench.rollout = try bench.restarted()
        #expect(bench.wait(3600).isEmpty)
        #expect(bench.rollout.staleHours(at: bench.now) == ["nights"])
        #expect(bench.apply(.slots(["nights": .open(until: nil)])) == [.assign(night)])
        #expect(bench.report(night, .confirmed) == [.completed])
    }

    @Test("hours that end take back what has not begun, and let finish what has")
    func closes() throws {
        var bench = try bench(everyone, ["a", "a", "a"], ["a": .open(until: UTCTime(seconds: 1_800_000_100))])
        let nodes = bench.assigned
        _ = bench.report(nodes[0], .installing)
        _ = bench.apply(.seen(nodes[1]))
        bench.now = bench.now.adding(seconds: 100)
        let effects = bench.apply(.slots(["a": closed(5000, bench)]))
        #expect(effects == [.withdraw(nodes[1]), .withdraw(nodes[2])])
        #expect(bench.rollout.node(nodes[0])?.state == .installing)
        #expect(bench.rollout.node(nodes[1])?.state == .withdrawn)
        #expect(bench.rollout.node(nodes[1])?.reason == "outside its hours")
        #expect(bench.rollout.node(nodes[2])?.state == .waiting)
        #expect(!bench.rollout.needs(seen: nodes[1]))
        _ = bench.report(nodes[0], .confirmed)
        _ = bench.wait(UpdateManifest.lifetime)
        #expect(bench.rollout.node(nodes[1])?.state == .waiting)
        #expect(bench.rollout.failures == 0)
        let again = bench.apply(.slots(["a": .open(until: nil)])).assigned
        #expect(Set(again) == [nodes[1], nodes[2]])
    }

    @Test("a stage does not wait for nodes whose hours are closed: others have their turn in it")
    func stageGoesOn() throws {
        let strategy = RolloutStrategy(stages: [.count(1), .percent(100)], bakeSeconds: 0)
        var bench = try bench(
            strategy,
            [String?](repeating: "a", count: 5) + [nil, nil],
            ["a": .closed(until: UTCTime(seconds: 1_800_050_000), reason: "frozen")]
        )
        #expect(bench.assigned.count == 1)
        #expect(bench.confirmAll().assigned.count == 1)
        #expect(bench.confirmAll().contains { if case .holding = $0 { true } else { false } })
        #expect(bench.rollout.counts[.waiting] == 5)
    }

    @Test("a rollout whose hours do not open again ends when its statement expires, and says so")
    func neverOpens() throws {
        var bench = try bench(everyone, ["a", nil], ["a": .closed(until: nil, reason: "its hours never open")])
        let place = try bench.place(RolloutBench.id(1))
        let reason = "its hours never open; the rollout expires before, at \(bench.rollout.expires)"
        #expect(bench.rollout.reason(ofNodeAt: place) == reason)
        _ = bench.confirmAll()
        let effects = bench.wait(86400)
        #expect(
            effects.endReason == "the statement expired at \(bench.rollout.expires) with 1 of 2 nodes confirmed, "
                + "0 not in contact, 1 waiting (1 node: \(reason))"
        )
    }

    @Test("hours of which nothing was said, or whose slot has passed, assign nobody")
    func unknown() throws {
        var bench = try bench(everyone, ["a"], [:])
        #expect(bench.assigned.isEmpty)
        #expect(bench.rollout.staleHours(at: bench.now) == ["a"])
        _ = bench.apply(.slots(["a": .closed(until: bench.now.adding(seconds: 60), reason: "x")]))
        #expect(bench.rollout.staleHours(at: bench.now).isEmpty)
        #expect(bench.wait(60).assigned.isEmpty)
        #expect(bench.rollout.staleHours(at: bench.now) == ["a"])
    }

    @Test("security releases skip the time to bake where policy says so, and no stage")
    func urgent() throws {
        let strategy = RolloutStrategy(stages: [.count(1), .percent(100)], bakeSeconds: 3600)
        var bench = try RolloutBench(nodes: 3, strategy)
        #expect(bench.assigned.count == 1)
        _ = bench.apply(.urgency(skipsBake: true))
        #expect(bench.assigned.count == 1)
        let effects = bench.confirmAll()
        #expect(effects.contains(.stageOpened(1)) && effects.assigned.count == 2)
    }

    @Test("a bake that has begun is skipped when policy comes to allow that")
    func urgentLater() throws {
        let strategy = RolloutStrategy(stages: [.count(1), .percent(100)], bakeSeconds: 3600)
        var bench = try RolloutBench(nodes: 3, strategy)
        _ = bench.confirmAll()
        #expect(bench.apply(.urgency(skipsBake: true)).assigned.count == 2)
    }
}

extension RolloutBench {
    func place(_ node: NodeID) throws -> Int { try #require(rollout.nodes.firstIndex { $0.id == node }) }
}
