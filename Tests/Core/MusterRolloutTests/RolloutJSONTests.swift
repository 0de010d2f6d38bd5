import ByteCoding
import CanonicalJSON
import MusterModel
import MusterRollout
import Testing

@Suite("Stored rollouts")
struct RolloutJSONTests {
    private let strategy = RolloutStrategy(stages: [.count(2), .percent(100)], bakeSeconds: 60, maxFailures: 3)

    @Test("a stored rollout reads back as the same document, in every phase")
    func sameAgain() throws {
        var bench = try RolloutBench(nodes: 6, strategy)
        let ada = try #require(OperatorName("ada"))
        try check(bench)
        _ = bench.report(bench.assigned[0], .installing)
        _ = bench.report(bench.assigned[1], .refused, "no disk: \u{7} \"é\"")
        try check(bench)
        _ = bench.confirmAll()
        try check(bench)
        _ = bench.apply(.halt(reason: "", by: ada))
        try check(bench)
        _ = bench.apply(.cancel(reason: "", by: ada))
        try check(bench)
    }

    @Test("a reason is cut at a whole character")
    func longReason() throws {
        var bench = try RolloutBench(nodes: 1, strategy)
        _ = bench.report(bench.assigned[0], .failed, String(repeating: "é", count: 1000))
        #expect(bench.rollout.nodes[0].reason.utf8.count == Rollout.reasonLimit)
        try check(bench)
    }

    @Test("what a node had before is remembered beside its part, and read back")
    func before() throws {
        let bench = try RolloutBench(nodes: 4, strategy)
        var rollout = bench.rollout
        let node = try #require(bench.assigned.first)
        let part = rollout.node(node)?.json
        _ = rollout.takeChanges()
        rollout.remember("1.0", on: node)
        let changes = rollout.takeChanges()
        let index = try #require(changes.nodes.first?.index)
        #expect(changes.nodes.count == 1)
        #expect(rollout.nodes[index].id == node)
        #expect(rollout.nodes[index].json == part)
        var read = try Rollout(
            header: try JSONFields(changes.header),
            nodes: try rollout.nodes.map { try JSONFields($0.json) },
            before: rollout.nodes.map(\.before)
        )
        #expect(read.nodes == rollout.nodes)
        #expect(read.node(node)?.before == "1.0")
        #expect(read.takeChanges().nodes.isEmpty)
    }

    @Test("damaged documents are refused or read as a whole, never trap")
    func damaged() throws {
        var bench = try RolloutBench(nodes: 3, strategy)
        _ = bench.report(bench.assigned[0], .confirmed)
        _ = bench.report(bench.assigned[0], .failed, "x")
        let bytes = bench.rollout.json.jsonBytes
        for index in bytes.indices {
            for byte in [UInt8(ascii: "0"), UInt8(ascii: "9"), UInt8(ascii: "-"), bytes[index] ^ 1] {
                var damaged = bytes
                damaged[index] = byte
                guard let value = try? JSONValue.parse(damaged, limit: 100_000),
                    let fields = try? JSONFields(value), var rollout = try? Rollout(fields)
                else { continue }
                _ = rollout.apply(.tick, at: bench.now)
                _ = rollout.summary
            }
        }
    }

    private func check(_ bench: RolloutBench) throws {
        var again = try bench.restarted()
        #expect(again.json == bench.rollout.json)
        #expect(again.counts == bench.rollout.counts)
        #expect(again.summary == bench.rollout.summary)
        #expect(again.nextDeadline(after: bench.now) == bench.rollout.nextDeadline(after: bench.now))
        #expect(again.apply(.tick, at: bench.now) == [])
    }
}
