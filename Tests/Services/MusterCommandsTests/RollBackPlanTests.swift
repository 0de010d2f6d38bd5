import ByteCoding
import MusterAPI
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterCommands

/// Which nodes go back, and to what.
@Suite
struct RollBackPlanTests {
    private func node(_ name: String, _ version: String, tags: [String] = []) throws -> NodeRecord {
        NodeRecord(
            id: try #require(NodeID(name)),
            name: name,
            tags: tags.compactMap { Tag($0) },
            address: "100.64.0.1",
            enrolled: FakeService.time,
            lastSeen: FakeService.time,
            state: "online",
            report: .bookworm(packages: version.isEmpty ? [:] : ["hello": version]),
            packages: []
        )
    }

    private func body(_ version: String, nodes: [NodeSelector] = [.every]) -> UpgradeBody {
        UpgradeBody(package: "hello", version: version, targets: [], nodes: nodes, strategy: RolloutStrategy())
    }

    private func rollout(
        _ version: String,
        _ state: String,
        nodes: [(name: String, state: String, before: String)] = [],
        age: Int64 = 0
    ) throws -> RolloutRecord {
        let simulator = try FleetSimulator(time: FakeService.time)
        let signed = try simulator.statement(.upgrade(body(version)), seed: "\(version) \(age)")
        return RolloutRecord(
            id: signed.statement.id,
            state: state,
            reason: "",
            revision: 1,
            started: FakeService.time.adding(seconds: -age),
            statement: signed,
            signers: [],
            missing: "",
            stages: [],
            nodes: try nodes.map {
                RolloutRecord.Node(
                    id: try #require(NodeID($0.name)),
                    name: $0.name,
                    stage: 0,
                    state: $0.state,
                    version: "",
                    reason: "",
                    before: $0.before
                )
            }
        )
    }

    private func plan(
        _ rollout: RolloutRecord,
        _ nodes: [NodeRecord],
        others: [RolloutRecord] = [],
        releases: [String] = ["3.0", "2.0", "1.0"],
        to wanted: String? = nil,
        only: [NodeSelector] = []
    ) throws -> RollBackPlan {
        try RollBackPlan(
            from: rollout,
            body("3.0"),
            nodes: nodes,
            others: others + [rollout],
            releases: releases,
            to: wanted,
            only: only
        )
    }

    @Test("nodes that have the bad version or may get it in a moment go back; nobody else is touched")
    func affected() throws {
        let bad = try rollout(
            "3.0",
            "halted",
            nodes: [
                ("done", "confirmed", "2.0"), ("busy", "installing", "2.0"), ("gone", "lost", "2.0"),
                ("failed", "rolled-back", "2.0"), ("waiting", "waiting", ""),
            ]
        )
        let nodes = [
            try node("done", "3.0"), try node("busy", "2.0"), try node("gone", "2.0"), try node("failed", "2.0"),
            try node("waiting", "2.0"), try node("old", "1.0"), try node("without", ""),
            try node("by-hand", "3.0"),
        ]
        let plan = try plan(bad, nodes)
        #expect(plan.changes.map(\.name) == ["busy", "by-hand", "done", "gone"])
        #expect(plan.selectors.map(\.description).sorted() == ["node:busy", "node:by-hand", "node:done", "node:gone"])
        #expect(plan.good == "2.0")
        #expect(plan.why == "the version that 3 nodes had before")
        #expect(plan.changes.first?.now == "2.0, installing")
        let web = try self.plan(
            bad,
            [try node("done", "3.0", tags: ["web"]), try node("by-hand", "3.0")],
            only: [
                .tag(try #require(Tag("web")))
            ]
        )
        #expect(web.changes.map(\.name) == ["done"])
    }

    @Test(
        "the good version is what the nodes had, else what the last complete rollout brought, else the release before"
    )
    func good() throws {
        let nodes = [try node("a", "3.0"), try node("b", "3.0"), try node("c", "3.0")]
        let mixed = try rollout(
            "3.0",
            "complete",
            nodes: [("a", "confirmed", "1.0"), ("b", "confirmed", "1.0"), ("c", "confirmed", "2.0")]
        )
        #expect(try plan(mixed, nodes).good == "1.0")
        let even = try rollout("3.0", "complete", nodes: [("a", "confirmed", "1.0"), ("b", "confirmed", "2.0")])
        #expect(try plan(even, nodes).good == "2.0", "of two that as many had, the newer")
        let unsigned = try rollout("3.0", "complete", nodes: [("a", "confirmed", "0.9")])
        #expect(try plan(unsigned, nodes).good == "2.0", "what nobody signed is nothing to go back to")
        let silent = try rollout("3.0", "halted")
        let history = [
            try rollout("1.0", "complete", age: 300), try rollout("2.0", "cancelled", age: 200),
            try rollout("2.0", "expired", age: 100),
        ]
        let last = try plan(silent, nodes, others: history)
        #expect(last.good == "1.0", "2.0 was never complete")
        #expect(last.why == "the version of the last complete rollout before it")
        #expect(try plan(silent, nodes).why == "the release before it")
        #expect(try plan(silent, nodes).stepsBack == 1)
        #expect(try plan(mixed, nodes).stepsBack == 2)
        #expect(try plan(even, nodes, releases: ["2.0", "1.0"]).stepsBack == nil, "3.0 itself is not signed")
        #expect(try plan(silent, nodes, to: "1.0").good == "1.0")
    }

    @Test("of more nodes than a statement names, those are shown too that its selectors take along")
    func many() throws {
        let bad = try rollout("3.0", "halted")
        let affected = try (0...NodeSelector.limit).map { try node("n\($0)", "3.0") }
        let others = [try node("good", "2.0"), try node("old", "1.0"), try node("without", "")]
        let plan = try plan(bad, affected + others)
        #expect(plan.good == "2.0")
        #expect(plan.selectors == [.every])
        #expect(plan.takenAlong == 2)
        #expect(plan.changes.count == affected.count + 2)
        #expect(plan.changes.suffix(2).map(\.name) == ["old", "without"])
        #expect(plan.changes.suffix(2).map(\.now) == ["1.0", "(none)"])
        let few = try self.plan(bad, [try node("n0", "3.0")] + others)
        #expect(few.changes.map(\.name) == ["n0"])
        #expect(few.takenAlong == 0)
    }

    @Test("there is no going back to nothing, to the bad version, or to what is not signed")
    func refused() throws {
        let bad = try rollout("3.0", "halted")
        let nodes = [try node("a", "3.0")]
        #expect(throws: CommandFailure.self) { try plan(bad, nodes, releases: ["3.0"]) }
        #expect(throws: CommandFailure.self) { try plan(bad, nodes, to: "3.0") }
        #expect(throws: CommandFailure.self) { try plan(bad, nodes, to: "2.5") }
        #expect(try plan(bad, [try node("a", "2.0")]).changes.isEmpty)
    }
}
