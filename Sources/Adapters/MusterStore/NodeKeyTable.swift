import ByteCoding
import MusterIdentity
import MusterModel

/// The life of node keys, keys that are good for nothing any more, and nodes that left.
extension StoreTransaction {
    /// Gives keys from before keys had an end a life from `now` on.
    public func beginKeyLives(at now: UTCTime, lifetime seconds: Int64) throws {
        try sql.run(
            "UPDATE nodes SET key_since = $1, key_expires = $2 WHERE key_expires IS NULL",
            [.integer(now.milliseconds), .integer(now.adding(seconds: seconds).milliseconds)]
        )
    }

    /// Writes the life of a node's key.
    public func put(_ life: NodeKeyLife, of node: NodeID) throws {
        try sql.run(
            """
            UPDATE nodes SET node_key = $2, key_since = $3, key_expires = $4, key_exempt = $5, extended_until = $6,
                next_key = $7, next_since = $8, expiry_noted = $9
            WHERE id = $1
            """,
            [
                .text(node.text), .bytes(life.key), .integer(life.since.milliseconds),
                .integer(life.expires.milliseconds), .integer(life.isExempt ? 1 : 0),
                life.extendedUntil.map { .integer($0.milliseconds) } ?? .null,
                life.next.map { .bytes($0.key) } ?? .null,
                life.next.map { .integer($0.since.milliseconds) } ?? .null, .integer(life.isExpiryNoted ? 1 : 0),
            ]
        )
    }

    /// Lets a key never join or open a session again.
    public func retire(key: [UInt8], of node: NodeID, reason: String, at time: UTCTime) throws {
        try sql.run(
            """
            INSERT INTO retired_keys (node_key, node, retired, reason) VALUES ($1, $2, $3, $4)
            ON CONFLICT (node_key) DO NOTHING
            """,
            [.bytes(key), .text(node.text), .integer(time.milliseconds), .text(reason)]
        )
    }

    /// Why a key is good for nothing any more, and whose it was; nil for any other key.
    public func retirement(ofKey key: [UInt8]) throws -> (node: NodeID, reason: String)? {
        try sql.row("SELECT node, reason FROM retired_keys WHERE node_key = $1", [.bytes(key)])
            .map { (try StoredName.read(try $0.text(0)), try $0.text(1)) }
    }

    /// Whether a node was offered this key and has not used it yet.
    public func isFollowing(key: [UInt8]) throws -> Bool {
        try sql.row("SELECT 1 FROM nodes WHERE next_key = $1", [.bytes(key)]) != nil
    }

    /// Whether any node has this key, had it, or is about to have it.
    public func isTaken(key: [UInt8]) throws -> Bool {
        try sql.row(
            """
            SELECT 1 FROM nodes WHERE node_key = $1 OR next_key = $1
            UNION ALL SELECT 1 FROM retired_keys WHERE node_key = $1
            UNION ALL SELECT 1 FROM pending_enrollments WHERE node_key = $1
            """,
            [.bytes(key)]
        ) != nil
    }

    /// Takes a node out of the fleet: its keys are retired, its name is free again, its work is gone.
    ///
    /// Its row stays, since statements and events name it.
    public func remove(_ node: StoredNode, reason: String, at time: UTCTime) throws {
        for key in [node.keyLife.key, node.keyLife.next?.key].compactMap(\.self) {
            try retire(key: key, of: node.id, reason: "removed: \(reason)", at: time)
        }
        // No host name begins with '!', so nothing is ever called that.
        try sql.run(
            "UPDATE nodes SET removed = $2, removed_reason = $3, name = $4, next_key = NULL WHERE id = $1",
            [.text(node.id.text), .integer(time.milliseconds), .text(reason), .text("!" + node.id.text)]
        )
        for table in ["assignments", "manifests", "reports", "node_holds", "node_pins"] {
            try sql.run("DELETE FROM \(table) WHERE node = $1", [.text(node.id.text)])
        }
    }

    /// Nodes that left, and why.
    public func removedNodes() throws -> [(node: NodeID, reason: String)] {
        try sql.rows("SELECT id, removed_reason FROM nodes WHERE removed IS NOT NULL", [])
            .map { (try StoredName.read(try $0.text(0)), try $0.text(1)) }
    }
}

extension NodeKeyLife {
    static let columns = [
        "node_key", "key_since", "key_expires", "key_exempt", "extended_until", "next_key", "next_since",
        "expiry_noted",
    ]

    /// Reads `columns`, the first of which is column `start` of the row.
    init(_ row: SQLRow, from start: Int) throws(StoreError) {
        func moment(_ column: Int) throws(StoreError) -> UTCTime? {
            row.isNull(column) ? nil : UTCTime(milliseconds: try row.integer(column))
        }
        var next: Next?
        if !row.isNull(start + 5) {
            next = Next(
                key: try row.bytes(start + 5),
                since: UTCTime(milliseconds: try row.integer(start + 6))
            )
        }
        self.init(
            key: try row.bytes(start),
            since: UTCTime(milliseconds: try row.integer(start + 1)),
            expires: UTCTime(milliseconds: try row.integer(start + 2)),
            isExempt: try row.integer(start + 3) != 0,
            extendedUntil: try moment(start + 4),
            next: next,
            isExpiryNoted: try row.integer(start + 7) != 0
        )
    }
}
