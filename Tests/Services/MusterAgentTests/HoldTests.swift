import AgentTestSupport
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Synchronization
import Testing

/// What waits for its hour, and what the node's owner does not want at all.
@Suite(.timeLimit(.minutes(60))) struct HoldTests {
    /// Seconds from now until the one hour of the day in which ada may upgrade.
    private static let wait: Int64 = 3 * 3600

    /// An hour of UTC that begins in `wait`, within a minute.
    private static func window(_ time: UTCTime) -> JSONValue {
        let minute = (time.milliseconds / 60000 + wait / 60) % 1440
        func text(_ minute: Int64) -> JSONValue {
            let digits = [minute / 60, minute % 60].map { ($0 < 10 ? "0" : "") + String($0) }
            return .string(digits.joined(separator: ":"))
        }
        return [
            "from": text(minute), "to": text((minute + 60) % 1440), "zone": "UTC",
            "offsets": [["from": "2020-01-01T00:00:00Z", "minutes": 0]],
        ]
    }

    /// Lets every rule that allows upgrades hold within the window only.
    private static func restrict(_ node: NodeFixture) throws {
        guard case .object(var policy) = node.fleet.policyDocument, case .array(let rules)? = policy["rules"] else {
            throw EnrollmentError("the policy has no rules")
        }
        policy["rules"] = .array(
            rules.map { rule in
                guard case .object(var object) = rule, case .array(let allow)? = object["allow"],
                    allow.contains(.string("upgrade"))
                else { return rule }
                object["windows"] = [window(node.fleet.time)]
                return .object(object)
            }
        )
        node.fleet.policyDocument = .object(policy)
        try publish(node)
    }

    private static func publish(_ node: NodeFixture) throws {
        node.fleet.policyVersion += 1
        node.fleet.snapshotVersion += 1
        node.fleet.timestampVersion += 1
        try node.fleet.publish()
        try node.serve()
    }

    private static func turn(_ node: NodeFixture, ahead seconds: Int64 = 0) async throws -> String? {
        let clock = AgentClock.ahead(by: seconds)
        return try await TestAgent(node.folder.path, transport: node.transport, clock: clock).agent.turn()
    }

    @Test(
        "outside its window an upgrade is held with the reason, neither refused nor failed, and is done when it opens"
    )
    func held() async throws {
        try await withNode { node in
            try Self.restrict(node)
            let rollout = try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            for _ in 0..<2 {
                #expect(try await Self.turn(node) == nil)
                let outcome = try #require(try node.outcome(rollout))
                #expect(outcome.state == .downloading)
                #expect(outcome.reason.hasPrefix("waits until "))
                #expect(outcome.reason.contains("outside its 'windows'"))
                #expect(try await node.installed() == .absent)
            }
            #expect(try await Self.turn(node, ahead: Self.wait + 600) == nil)
            #expect(try node.outcome(rollout)?.state == .confirmed)
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }

    @Test("what waits for its hour stands in nobody's way")
    func besides() async throws {
        try await withNode { node in
            let first = try await node.release(TestPackage("probe", "1.0"))
            let other = try await node.release(TestPackage("other", "1.0"))
            try Self.restrict(node)
            // For the other package there is a rule without hours.
            try node.fleet.allow([
                "name": "any-hour", "allow": ["upgrade"], "who": ["ada"], "nodes": ["*"], "packages": ["other"],
            ])
            try Self.publish(node)
            let held = try node.fleet.statement(.upgrade(try node.fleet.upgrade(to: first)), seed: "a")
            let free = try node.fleet.statement(.upgrade(try node.fleet.upgrade(to: other)), seed: "b")
            try node.offer([node.fleet.assignment(first, held), node.fleet.assignment(other, free)])
            #expect(try await Self.turn(node) == nil)
            #expect(try node.outcome(free.statement.id)?.state == .confirmed)
            #expect(try node.outcome(held.statement.id)?.state == .downloading)
            #expect(try await node.installed() == .absent)
        }
    }

    @Test("a window that closes while the package is on its way: the node waits before the installation, however long")
    func closes() async throws {
        try await withNode { node in
            try Self.restrict(node)
            let rollout = try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            // The manifest comes at its time; the window opens later.
            #expect(try await Self.turn(node) == nil)
            let skew = Mutex<Int64>(Self.wait + 600)
            let closed = Mutex(false)
            var clock = AgentClock.system
            clock.now = { WallClock.now().adding(seconds: skew.withLock { $0 }) }
            let agent = try await TestAgent(node.folder.path, transport: node.transport, clock: clock) { phase in
                let isFirst = closed.withLock { closed in
                    defer { closed = closed || phase == .saved }
                    return !closed
                }
                if phase == .saved, isFirst { skew.withLock { $0 += 7200 } }
            }
            let turn = Task { await agent.agent.turn() }
            func isWaiting() throws -> Bool {
                try node.outcome(rollout)?.reason.contains("outside its 'windows'") == true
            }
            func isBefore() throws -> Bool { try node.outcome(rollout)?.state == .downloading }
            let deadline = MonotonicClock.milliseconds() + 120_000
            while try !isWaiting() || isBefore(), MonotonicClock.milliseconds() < deadline {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try isWaiting())
            #expect(try node.outcome(rollout)?.state == .verified)
            #expect(try await node.installed() == .absent)
            skew.withLock { $0 -= 7200 }
            #expect(await turn.value == nil)
            #expect(try node.outcome(rollout)?.state == .confirmed)
        }
    }

    @Test("an upgrade that waits for its hour can be taken back, and expires like any other")
    func ends() async throws {
        try await withNode { node in
            try Self.restrict(node)
            let path = try await node.release(TestPackage("probe", "1.0"))
            let rollout = try node.assign(path, seed: "a")
            #expect(try await Self.turn(node) == nil)
            try node.offer([])
            #expect(try await Self.turn(node) == nil)
            #expect(try await Self.turn(node, ahead: Self.wait + 600) == nil)
            #expect(try await node.installed() == .absent)
            let next = try node.assign(path, seed: "b")
            #expect(try await Self.turn(node) == nil)
            let lifetime = 40 * 86400 as Int64
            // Metadata that old is trusted no more either: then nothing can be said, and nothing is done.
            _ = try await Self.turn(node, ahead: lifetime)
            #expect(try await node.installed() == .absent)
            #expect(try node.outcome(rollout)?.state.isFinal != true)
            #expect(try node.outcome(next)?.state != .confirmed)
        }
    }

    @Test("a freeze holds upgrades until it is over, and never a roll-back")
    func frozen() async throws {
        try await withNode { node in
            let first = try await node.release(TestPackage("probe", "1.0"))
            let second = try await node.release(TestPackage("probe", "2.0"))
            for (path, seed) in [(first, "a"), (second, "b")] {
                try node.assign(path, seed: seed)
                #expect(try await Self.turn(node) == nil)
            }
            guard case .object(var policy) = node.fleet.policyDocument else { throw EnrollmentError("no policy") }
            let until = node.fleet.time.adding(seconds: 7200)
            policy["freezes"] = [
                [
                    "name": "year end", "reason": "the books are closed",
                    "from": JSONValue(node.fleet.time.adding(seconds: -60)), "until": JSONValue(until), "nodes": ["*"],
                ]
            ]
            node.fleet.policyDocument = .object(policy)
            try Self.publish(node)
            let back = try node.assign(first, seed: "c", rollBack: true)
            #expect(try await Self.turn(node) == nil)
            #expect(try node.outcome(back)?.state == .confirmed)
            #expect(try await node.installed() == .installed(version: "1.0"))
            let third = try await node.release(TestPackage("probe", "3.0"))
            let rollout = try node.assign(third, seed: "d")
            #expect(try await Self.turn(node) == nil)
            let outcome = try #require(try node.outcome(rollout))
            #expect(outcome.state == .downloading)
            #expect(outcome.reason.hasPrefix("waits until \(until): "))
            #expect(outcome.reason.contains("frozen by 'year end'"))
            #expect(outcome.reason.contains("the books are closed"))
            #expect(try await Self.turn(node, ahead: 7300) == nil)
            #expect(try node.outcome(rollout)?.state == .confirmed)
        }
    }

    @Test("a package that the node's own configuration pins is refused with the owner's reason, and reported")
    func pinned() async throws {
        try await withNode { node in
            let rollout = try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            var configuration = AgentConfiguration()
            configuration.pins = ["probe": "the migration is in May"]
            let agent = try await TestAgent(
                node.folder.path,
                transport: node.transport,
                configuration: configuration
            )
            #expect(await agent.agent.turn() == nil)
            let outcome = try #require(try node.outcome(rollout))
            #expect(outcome.state == .refused)
            #expect(
                outcome.reason == "this node's own configuration keeps probe as it is: the migration is in May"
            )
            #expect(try await node.installed() == .absent)
            let report = try TestAgent.service(node.folder.path).reports().last
            #expect(report?.localPins == ["probe": "the migration is in May"])
        }
    }

    @Test("a reboot is a run like any other: outside its rule's windows the node refuses it, within them it runs")
    func reboot() async throws {
        try await withRuns { node in
            try node.node.fleet.allow([
                "name": "reboots-at-night", "allow": ["run"], "who": ["cat"], "nodes": ["*"], "commands": ["*"],
                "windows": [Self.window(node.node.fleet.time)],
            ])
            let run = try node.asked("echo rebooting", by: ["cat"])
            let outcome = try await node.outcome(run)
            #expect(outcome.state == .refused)
            #expect(outcome.reason.contains("outside its 'windows'"))
            #expect(try node.executions() == 0)
            let later = try node.asked("echo rebooting", lifetime: 12 * 3600, by: ["cat"])
            try node.offer(later)
            let notYet = try await node.agent()
            // The manifest comes while the window is closed, the agent looks at its runs when it is open.
            _ = await notYet.agent.turn()
            #expect(try await node.work(clock: .ahead(by: Self.wait + 600)) == nil)
            #expect(try await node.untilEnded(later).exit == 0)
            #expect(try node.executions() == 1)
        }
    }
}
