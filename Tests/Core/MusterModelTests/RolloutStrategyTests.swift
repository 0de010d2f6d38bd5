import ByteCoding
import CanonicalJSON
import MusterModel
import Testing

/// What a strategy says of groups, limits and metrics.
@Suite struct RolloutStrategyTests {
    private func tag(_ name: String) throws -> NodeTag { try #require(NodeTag(name)) }

    private func strategy() throws -> RolloutStrategy {
        RolloutStrategy(
            maxFailurePercent: 5,
            groups: [
                .init(name: "test", nodes: [.tag(try tag("test"))]), .init(name: "web", nodes: [.tag(try tag("web"))]),
            ],
            safetyInFlight: 2,
            tagInFlight: [try tag("db"): 1],
            metrics: [.init(name: "p99", worse: .lower, percent: 10, least: 3)]
        )
    }

    @Test("a strategy reads back as it was, and one that says none of it is as it always was")
    func documents() throws {
        let full = try strategy()
        #expect(try RolloutStrategy(JSONFields(full.json)) == full)
        let plain = RolloutStrategy()
        #expect(try RolloutStrategy(JSONFields(plain.json)) == plain)
        guard case .object(let object) = plain.json else { return }
        #expect(
            object.keys == [
                "bake_seconds", "finish_deadline_seconds", "max_failures", "max_in_flight", "stages",
                "start_deadline_seconds",
            ]
        )
    }

    @Test("a node is in the first group that names it, and in the safety group where none does")
    func groups() throws {
        let strategy = try strategy()
        let node = try #require(NodeID("n1"))
        #expect(strategy.group(of: node, tags: [try tag("web"), try tag("test")]) == 0)
        #expect(strategy.group(of: node, tags: [try tag("web")]) == 1)
        let safety = strategy.group(of: node, tags: [try tag("db")])
        #expect(strategy.isSafetyGroup(safety) && strategy.groupName(safety) == "the safety group")
        #expect(RolloutStrategy().group(of: node, tags: []) == 0)
        #expect(!RolloutStrategy().isSafetyGroup(0))
    }

    @Test(
        "what makes no sense is refused",
        arguments: [
            ("max_failure_percent", 101), ("safety_in_flight", 0), ("tag_in_flight", ["db": 0]),
            ("tag_in_flight", ["D B": 1]), ("groups", [["name": "", "nodes": []]]),
            ("groups", [["name": "a", "nodes": []], ["name": "a", "nodes": []]]),
            ("metrics", [["name": "a", "worse": "up", "percent": 1, "least": 1]]),
            ("metrics", [["name": "a", "worse": "higher", "percent": 1, "least": 0]]),
        ] as [(String, JSONValue)]
    )
    func refused(_ member: String, _ value: JSONValue) throws {
        guard case .object(var object) = RolloutStrategy().json else { return }
        object[member] = value
        #expect(throws: JSONError.self) { try RolloutStrategy(JSONFields(.object(object))) }
    }
}
