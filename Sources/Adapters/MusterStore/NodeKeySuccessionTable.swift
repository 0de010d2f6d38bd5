import ByteCoding
import MusterModel

/// Migration 8: which key of a node followed which, as the earlier one signed it.
let successionMigration = Migration(
    number: 8,
    statements: [
        """
        CREATE TABLE node_key_successions (
            old_key BYTEA NOT NULL, new_key BYTEA NOT NULL, node TEXT NOT NULL REFERENCES nodes (id),
            signature BYTEA NOT NULL, offered BIGINT NOT NULL, PRIMARY KEY (old_key, new_key))
        """,
        "CREATE INDEX node_key_successions_node ON node_key_successions (node, offered)",
    ]
)

/// One key of a node followed another, as the earlier one signed it.
public struct StoredSuccession: Hashable, Sendable {
    /// The key that was to be replaced.
    public let oldKey: [UInt8]
    /// The key that was to follow.
    public let newKey: [UInt8]
    /// The old key's signature of that.
    public let signature: [UInt8]
}

extension StoreTransaction {
    /// Remembers what a node's key signed of the one that is to follow it.
    public func addSuccession(
        of node: NodeID,
        from oldKey: [UInt8],
        to newKey: [UInt8],
        signature: [UInt8],
        at time: UTCTime
    ) throws {
        try sql.run(
            """
            INSERT INTO node_key_successions (old_key, new_key, node, signature, offered) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (old_key, new_key) DO NOTHING
            """,
            [
                .bytes(oldKey), .bytes(newKey), .text(node.text), .bytes(signature), .integer(time.milliseconds),
            ]
        )
    }

    /// The last successions of a node's keys, at most `limit`, the oldest first.
    public func successions(of node: NodeID, limit: Int) throws -> [StoredSuccession] {
        try sql.rows(
            """
            SELECT old_key, new_key, signature FROM node_key_successions WHERE node = $1
            ORDER BY offered DESC, new_key LIMIT $2
            """,
            [.text(node.text), .integer(Int64(limit))]
        ).reversed().map {
            StoredSuccession(oldKey: try $0.bytes(0), newKey: try $0.bytes(1), signature: try $0.bytes(2))
        }
    }
}
