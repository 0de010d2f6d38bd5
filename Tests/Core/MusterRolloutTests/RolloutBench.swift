import ByteCoding
import CanonicalJSON
import MusterModel
import MusterRollout
import Testing

/// A rollout under test with a clock that only the test moves.
struct RolloutBench {
    var rollout: Rollout
    var now = UTCTime(seconds: 1_800_000_000)

    init(nodes: Int, _ strategy: RolloutStrategy, expiresIn: Int64 = 86400, isApproved: Bool = true) throws {
        let id = try #require(RolloutID("00112233445566778899aabbccddeeff"))
        let expires = now.adding(seconds: expiresIn)
        rollout = Rollout(id: id, version: "2.0", strategy: strategy, expires: expires, isApproved: isApproved)
        if nodes > 0 { _ = apply(.nodesSelected(try (1...nodes).map { try Self.fact($0, lastSeen: now) })) }
    }

    static func id(_ number: Int) throws -> NodeID { try #require(NodeID("node-\(number)")) }

    static func fact(_ number: Int, version: String = "1.0", lastSeen: UTCTime?) throws -> NodeFact {
        NodeFact(node: try id(number), version: version, lastSeen: lastSeen)
    }

    mutating func apply(_ event: RolloutEvent) -> [RolloutEffect] {
        rollout.apply(event, at: now)
    }

    mutating func wait(_ seconds: Int64) -> [RolloutEffect] {
        now = now.adding(seconds: seconds)
        return apply(.tick)
    }

    mutating func report(
        _ node: NodeID,
        _ state: NodeProgress.State,
        version: String = "2.0",
        _ reason: String = ""
    ) -> [RolloutEffect] {
        apply(.reported(node, progress(state, version: version, reason)))
    }

    func progress(_ state: NodeProgress.State, version: String = "2.0", _ reason: String = "") -> NodeProgress {
        NodeProgress(rollout: rollout.id, state: state, version: version, reason: reason, at: now)
    }

    mutating func confirmAll() -> [RolloutEffect] {
        assigned.flatMap { report($0, .confirmed) }
    }

    var assigned: [NodeID] { rollout.nodes.filter { rollout.isAssigned($0.id) }.map(\.id) }

    /// What a service that restarts now goes on with.
    func restarted() throws -> Rollout {
        try Rollout(try JSONFields(try JSONValue.parse(rollout.json.jsonBytes, limit: 1_000_000)))
    }
}

extension [RolloutEffect] {
    var assigned: [NodeID] { compactMap { if case .assign(let node) = $0 { node } else { nil } } }
    var withdrawn: [NodeID] { compactMap { if case .withdraw(let node) = $0 { node } else { nil } } }
    var haltReason: String? { lazy.compactMap { if case .halted(let reason) = $0 { reason } else { nil } }.first }
    var endReason: String? { lazy.compactMap { if case .ended(let reason) = $0 { reason } else { nil } }.first }
}
