import CanonicalJSON
import MusterModel

/// One node's part in a rollout as the register keeps it.
public struct StoredRolloutNode: Hashable, Sendable {
    /// Its place among the rollout's nodes.
    public let position: Int
    /// The version that it had when it was assigned; empty where it was not, or that is not known.
    public let before: String
    /// What the engine needs to go on.
    public let state: JSONValue

    /// A node's part.
    public init(position: Int, before: String, state: JSONValue) {
        self.position = position
        self.before = before
        self.state = state
    }

    init(_ row: SQLRow) throws {
        position = Int(try row.integer(0))
        before = try row.text(1)
        state = try JSONValue.parse(Array(try row.text(2).utf8), limit: 65536)
    }
}

/// The nodes' parts in rollouts.
extension StoreTransaction {
    /// Writes nodes' parts, new or changed.
    public func put(_ nodes: [StoredRolloutNode], of rollout: RolloutID) throws {
        for node in nodes {
            try sql.run(
                """
                INSERT INTO rollout_nodes (rollout, position, before, state) VALUES ($1, $2, $3, $4)
                ON CONFLICT (rollout, position) DO UPDATE SET before = $3, state = $4
                """,
                [
                    .text(rollout.text), .integer(Int64(node.position)), .text(node.before),
                    .text(String(decoding: node.state.canonicalBytes, as: UTF8.self)),
                ]
            )
        }
    }

    /// Every node's part in a rollout, in the order of their turns.
    public func rolloutNodes(of rollout: RolloutID) throws -> [StoredRolloutNode] {
        try sql.rows(
            "SELECT position, before, state FROM rollout_nodes WHERE rollout = $1 ORDER BY position",
            [.text(rollout.text)]
        ).map { try StoredRolloutNode($0) }
    }
}
