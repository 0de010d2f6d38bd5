import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Testing

@testable import MusterServer

/// What policy says of when and how many: windows, freezes, limits, urgency.
@Suite("Hours and limits of rollouts")
struct RolloutHoursTests {
    /// Opens an hour from `time`, for an hour, every day.
    private static func window(_ time: UTCTime) -> JSONValue {
        let minute = (time.seconds / 60 + 60) % TimeWindow.day
        return [
            "from": .string(TimeWindow.text(ofMinute: minute)),
            "to": .string(TimeWindow.text(ofMinute: (minute + 60) % TimeWindow.day)), "zone": "UTC",
            "offsets": [["from": "2020-01-01T00:00:00Z", "minutes": 0]],
        ]
    }

    /// A fleet whose only rule for upgrades has this window.
    private static func simulator(
        _ time: UTCTime,
        approvals: Bool = false,
        _ change: (inout JSONObject) -> Void = { _ in }
    ) throws -> FleetSimulator {
        var simulator = try FleetSimulator(time: time)
        guard case .object(var policy) = simulator.policyDocument, case .array(let rules)? = policy["rules"] else {
            throw FleetSimulator.Failure.impossible
        }
        let others = withoutUpgrades(rules)
        var nightly: JSONObject = [
            "name": "nightly", "allow": ["upgrade"], "who": ["ada", "ben"], "nodes": ["*"], "windows": [window(time)],
        ]
        if approvals { nightly["approvals"] = ["count": 1, "from": ["group:leads"]] }
        policy["rules"] = .array(others + [.object(nightly)])
        change(&policy)
        simulator.policyDocument = .object(policy)
        try simulator.publish()
        return simulator
    }

    /// The rules, none of which allows an upgrade.
    private static func withoutUpgrades(_ rules: [JSONValue]) -> [JSONValue] {
        rules.compactMap { rule -> JSONValue? in
            guard case .object(var members) = rule, case .array(let actions)? = members["allow"] else { return nil }
            members["allow"] = .array(actions.filter { $0 != "upgrade" })
            return members["allow"] == .array([]) ? nil : .object(members)
        }
    }

    private func report(_ node: TestNode) async throws { try await node.report(version: "1.0") }

    @Test("what may begin tonight is asked for today, holds with its reason, and begins when the window opens")
    func ahead() async throws {
        let simulator = try Self.simulator(WallClock.now())
        try await RolloutFleet.run([("alpha", []), ("beta", [])], simulator: simulator) { fleet in
            let id = try await fleet.start()
            for node in fleet.nodes { #expect(try await fleet.assigned(node) == []) }
            let holding = try await fleet.record(id)
            #expect(holding.state == "running")
            #expect(holding.hold?.reason.contains("outside its hours") == true, "\(String(describing: holding.hold))")
            #expect(holding.hold?.until != nil)
            let tonight = try await fleet.later(minutes: 61)
            for node in tonight.nodes { try await report(node) }
            for node in tonight.nodes { #expect(try await fleet.assigned(node) == [id]) }
            #expect(try await fleet.record(id).hold == nil)
            for node in tonight.nodes { try await fleet.upgrade(node, id) }
            #expect(try await fleet.record(id).state == "complete")
        }
    }

    @Test("an approver signs before the window opens, and the rollout then waits for the hour alone")
    func approvedAhead() async throws {
        let simulator = try Self.simulator(WallClock.now(), approvals: true)
        try await RolloutFleet.run([("alpha", [])], simulator: simulator) { fleet in
            let id = try await fleet.start(by: "ben")
            let waiting = try await fleet.record(id)
            #expect(waiting.state == "waiting-for-approval")
            let signature = try FleetSimulator.operatorKey("cat").sshSignature(
                of: waiting.statement.signedBytes,
                namespace: "upgrade@muster"
            )
            let approved = try await fleet.client.approve(id, signature: signature, session: fleet.session)
            #expect(approved.state == "running")
            #expect(approved.hold != nil)
            #expect(try await fleet.assigned(fleet.nodes[0]) == [])
            let node = try #require(try await fleet.later(minutes: 61).nodes.first)
            try await report(node)
            #expect(try await fleet.assigned(node) == [id])
        }
    }

    @Test("a rollout that is still running when its hours end holds, and fails no node for it")
    func closing() async throws {
        let simulator = try Self.simulator(WallClock.now())
        try await RolloutFleet.run([("alpha", []), ("beta", []), ("gamma", [])], simulator: simulator) { fleet in
            let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0, maxInFlight: 1)
            let id = try await fleet.start(strategy: strategy)
            var now = try await fleet.later(minutes: 61)
            for node in now.nodes { try await report(node) }
            var first: TestNode?
            for node in now.nodes where try await fleet.assigned(node) == [id] { first = node }
            try await fleet.upgrade(try #require(first), id)
            now = try await now.later(minutes: 60)
            for _ in 0..<3 {
                for node in now.nodes where node.id != first?.id { try await report(node) }
                now = try await now.later(minutes: 30)
            }
            let held = try await fleet.record(id)
            #expect(held.state == "running", "\(held.reason)")
            #expect(held.hold != nil)
            #expect(held.stages.allSatisfy { $0.failed == 0 })
            now = try await now.later(minutes: 24 * 60 - 150)
            for _ in 0..<3 {
                for node in now.nodes where try await fleet.record(id).state == "running" {
                    try await node.report(version: node.id == first?.id ? "2.0" : "1.0")
                    if try await fleet.assigned(node) == [id] { try await fleet.upgrade(node, id) }
                }
            }
            #expect(try await fleet.record(id).state == "complete")
        }
    }

    @Test("a statement that expires before any window opens is refused, with the hour")
    func tooShort() async throws {
        let simulator = try Self.simulator(WallClock.now())
        try await RolloutFleet.run([("alpha", [])], simulator: simulator) { fleet in
            await expectProblem(403) { try await fleet.start(lifetime: 1800) }
            let rollouts = try await fleet.client.rollouts(session: fleet.session)
            #expect(rollouts.isEmpty)
        }
    }

    @Test("a freeze that is published while a rollout runs holds it with its name and reason; a roll-back goes on")
    func freeze() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", [])]) { fleet in
            let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0, maxInFlight: 1)
            let id = try await fleet.start(strategy: strategy)
            var first: TestNode?
            for node in fleet.nodes where try await fleet.assigned(node) == [id] { first = node }
            let now = fleet.fixture.clock.now()
            try await publish(fleet) { policy in
                policy["freezes"] = [
                    [
                        "name": "year end", "reason": "the books are closed",
                        "from": JSONValue(now.adding(seconds: -60)), "until": JSONValue(now.adding(seconds: 86400)),
                        "nodes": ["*"],
                    ]
                ]
            }
            try await fleet.fixture.server.service.rollouts.followPolicy(at: fleet.fixture.clock.now())
            let node = try #require(first)
            try await fleet.upgrade(node, id)
            for other in fleet.nodes where other.id != node.id {
                try await report(other)
                #expect(try await fleet.assigned(other) == [])
            }
            let held = try await fleet.record(id)
            #expect(held.state == "running")
            #expect(held.hold?.reason.contains("frozen by 'year end'") == true, "\(String(describing: held.hold))")
            #expect(held.hold?.reason.contains("the books are closed") == true)
            let back = try await fleet.start(isRollBack: true, nodes: [.node(node.id)], seed: "back")
            #expect(try await fleet.assigned(node) == [back])
        }
    }

    @Test("a rollout that no rule of a newer policy allows holds, in words that fit each of its nodes")
    func noRule() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", [])]) { fleet in
            let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0, maxInFlight: 1)
            let id = try await fleet.start(strategy: strategy)
            var first: TestNode?
            for node in fleet.nodes where try await fleet.assigned(node) == [id] { first = node }
            try await publish(fleet) { policy in
                guard case .array(let rules)? = policy["rules"] else { return }
                policy["rules"] = .array(Self.withoutUpgrades(rules))
            }
            try await fleet.fixture.server.service.rollouts.followPolicy(at: fleet.fixture.clock.now())
            try await fleet.upgrade(try #require(first), id)
            let held = try await fleet.record(id)
            #expect(held.state == "running")
            let reason = held.hold?.reason ?? ""
            #expect(reason.hasPrefix("1 node: no rule of the policy allows this change"), "\(reason)")
        }
    }

    @Test("never more nodes with a limited tag at once, of two rollouts together")
    func limits() async throws {
        var simulator = try FleetSimulator(time: WallClock.now())
        if case .object(var policy) = simulator.policyDocument {
            policy["limits"] = ["db": 1]
            simulator.policyDocument = .object(policy)
        }
        try simulator.publish()
        let names = (0..<4).map { (name: "db\($0)", tags: ["db"]) }
        try await RolloutFleet.run(names, simulator: simulator) { fleet in
            let half = fleet.nodes.prefix(2).map { NodeSelector.node($0.id) }
            let rest = fleet.nodes.suffix(2).map { NodeSelector.node($0.id) }
            let ids = [
                try await fleet.start(nodes: Array(half), seed: "half"),
                try await fleet.start(nodes: Array(rest), seed: "rest"),
            ]
            var done: Set<NodeID> = []
            for _ in fleet.nodes {
                var busy: [(TestNode, RolloutID)] = []
                for node in fleet.nodes where !done.contains(node.id) {
                    try await report(node)
                    for id in try await fleet.assigned(node) where ids.contains(id) { busy.append((node, id)) }
                }
                let states = try await fleet.record(ids[0]).nodes + fleet.record(ids[1]).nodes
                #expect(busy.count == 1, "\(states.map { ($0.name, $0.state, $0.reason) })")
                guard let (node, id) = busy.first else { return }
                try await fleet.upgrade(node, id)
                done.insert(node.id)
            }
            for id in ids { #expect(try await fleet.record(id).state == "complete") }
        }
    }

    @Test("a security release skips windows and bake times where policy says so, and never the canary")
    func urgency() async throws {
        let simulator = try Self.simulator(WallClock.now()) { policy in
            policy["urgency"] = ["security": ["skip_bake": true, "ignore_windows": true]]
        }
        try await RolloutFleet.run([("alpha", []), ("beta", [])], simulator: simulator, security: true) { fleet in
            let strategy = RolloutStrategy(stages: [.count(1), .percent(100)], bakeSeconds: 86400)
            let id = try await fleet.start(strategy: strategy)
            var canaries: [TestNode] = []
            for node in fleet.nodes where try await fleet.assigned(node) == [id] { canaries.append(node) }
            #expect(canaries.count == 1)
            try await fleet.upgrade(try #require(canaries.first), id)
            for node in fleet.nodes where node.id != canaries.first?.id {
                try await report(node)
                #expect(try await fleet.assigned(node) == [id])
            }
        }
    }

    @Test("a figure that is worse on upgraded nodes halts the rollout, with the figure")
    func metric() async throws {
        let names = (0..<8).map { (name: "n\($0)", tags: [String]()) }
        try await RolloutFleet.run(names) { fleet in
            func report(_ node: TestNode, _ id: RolloutID?, _ version: String, _ value: Int64) async throws {
                var report = TestNode.report(
                    version: version,
                    id.map { [node.progress($0, .confirmed, version: version)] } ?? []
                )
                report.metrics = ["p99": value]
                _ = try await fleet.client.report(report, session: node.session)
            }
            for node in fleet.nodes { try await report(node, nil, "1.0", 100_000) }
            let strategy = RolloutStrategy(
                stages: [.count(4), .percent(100)],
                bakeSeconds: 3600,
                metrics: [RolloutStrategy.Metric(name: "p99", worse: .higher, percent: 20, least: 2)]
            )
            let id = try await fleet.start(strategy: strategy)
            var upgraded: Set<NodeID> = []
            for node in fleet.nodes {
                try await report(node, nil, "1.0", 100_000)
                guard try await fleet.assigned(node) == [id] else { continue }
                try await report(node, nil, "1.0", 100_000)
                try await node.report(version: "1.0", [node.progress(id, .installing, version: "1.0")])
                try await report(node, id, "2.0", 180_000)
                upgraded.insert(node.id)
            }
            #expect(upgraded.count == 4)
            for node in fleet.nodes {
                let isUpgraded = upgraded.contains(node.id)
                try await report(
                    node,
                    isUpgraded ? id : nil,
                    isUpgraded ? "2.0" : "1.0",
                    isUpgraded ? 180_000 : 100_000
                )
            }
            let halted = try await fleet.record(id)
            #expect(halted.state == "halted")
            #expect(halted.reason.contains("p99"), "\(halted.reason)")
        }
    }

    @Test("a node that confirmed and then is silent for long counts as lost; a clock that jumps is no silence")
    func silence() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", [])]) { fleet in
            let rollouts = fleet.fixture.server.service.rollouts
            let strategy = RolloutStrategy(stages: [.count(1), .percent(100)], bakeSeconds: 86400)
            let id = try await fleet.start(strategy: strategy)
            var canary: TestNode?
            for node in fleet.nodes where try await fleet.assigned(node) == [id] { canary = node }
            try await fleet.upgrade(try #require(canary), id)
            fleet.fixture.clock.advance(seconds: 1200)
            try await rollouts.listen(at: fleet.fixture.clock.now())
            #expect(try await fleet.record(id).state == "running", "nobody listened meanwhile")
            // The service listens by itself too, at the same clock.
            for _ in 0..<50 {
                fleet.fixture.clock.advance(seconds: 31)
                try await rollouts.listen(at: fleet.fixture.clock.now())
            }
            let halted = try await fleet.record(id)
            #expect(halted.state == "halted")
            #expect(halted.reason.contains("lost contact"), "\(halted.reason)")
        }
    }

    @Test("where nodes report seldom, a longer silence is borne before one counts as lost")
    func seldomReports() async throws {
        func seldom(_ options: inout ServeOptions) { options.reportSeconds = 900 }
        try await RolloutFleet.run([("alpha", []), ("beta", [])], options: seldom) { fleet in
            let rollouts = fleet.fixture.server.service.rollouts
            let strategy = RolloutStrategy(stages: [.count(1), .percent(100)], bakeSeconds: 86400)
            let id = try await fleet.start(strategy: strategy)
            var canary: TestNode?
            for node in fleet.nodes where try await fleet.assigned(node) == [id] { canary = node }
            try await fleet.upgrade(try #require(canary), id)
            for expected in ["running", "halted"] {
                for _ in 0..<50 {
                    fleet.fixture.clock.advance(seconds: 31)
                    try await rollouts.listen(at: fleet.fixture.clock.now())
                }
                #expect(try await fleet.record(id).state == expected)
            }
        }
    }

    /// Publishes another policy.
    private func publish(_ fleet: RolloutFleet, _ change: (inout JSONObject) -> Void) async throws {
        var simulator = fleet.fixture.fleet
        guard case .object(var policy) = simulator.policyDocument else { throw FleetSimulator.Failure.impossible }
        change(&policy)
        simulator.policyDocument = .object(policy)
        try simulator.publishPolicy()
        fleet.fixture.use(simulator)
        let document = simulator.policyDocument.canonicalBytes
        try await fleet.client.upload(
            bytes: document,
            sha256: Digest.sha256(document),
            target: "policy/fleet.json",
            session: fleet.session
        )
        let metadata = try #require(simulator.files["metadata/\(simulator.policyVersion).policy.json"])
        try await fleet.client.publish(role: "policy", metadata: metadata, session: fleet.session)
    }
}
