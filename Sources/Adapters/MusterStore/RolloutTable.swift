import ByteCoding
import CanonicalJSON
import MusterModel

/// A rollout as the register keeps it: what the engine needs to go on is its `state`, and `StoredRolloutNode` of each node.
public struct StoredRollout: Sendable {
    /// Its id, which is its statement's.
    public let id: RolloutID
    /// Whether something may still happen with it.
    public let open: Bool
    /// Rises with every change.
    public let revision: Int64
    /// When it was asked for.
    public let started: UTCTime
    /// The service's record of it, the engine's state included, its nodes not.
    public let state: JSONValue

    /// Most bytes of a state with its nodes within, as it was kept before migration 7.
    static let wholeStateLimit = 512_000_000

    /// A rollout.
    public init(id: RolloutID, open: Bool, revision: Int64, started: UTCTime, state: JSONValue) {
        self.id = id
        self.open = open
        self.revision = revision
        self.started = started
        self.state = state
    }

    init(_ row: SQLRow) throws {
        id = try StoredName.read(try row.text(0))
        open = try row.integer(1) == 1
        revision = try row.integer(2)
        started = UTCTime(milliseconds: try row.integer(3))
        state = try JSONValue.parse(Array(try row.text(4).utf8), limit: 4_000_000)
    }
}

/// Rollouts, and which nodes have which of them to do.
extension StoreTransaction {
    /// Writes a rollout, new or changed.
    public func put(_ rollout: StoredRollout) throws {
        try sql.run(
            """
            INSERT INTO rollouts (id, open, revision, started, state) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (id) DO UPDATE SET open = $2, revision = $3, state = $5
            """,
            [
                .text(rollout.id.text), .integer(rollout.open ? 1 : 0), .integer(rollout.revision),
                .integer(rollout.started.milliseconds),
                .text(String(decoding: rollout.state.canonicalBytes, as: UTF8.self)),
            ]
        )
    }

    /// Every rollout, the newest first, at most `limit`.
    public func rollouts(limit: Int) throws -> [StoredRollout] {
        try sql.rows(
            "SELECT id, open, revision, started, state FROM rollouts ORDER BY started DESC, id LIMIT $1",
            [.integer(Int64(limit))]
        ).map { try StoredRollout($0) }
    }

    /// Rollouts with which something may still happen, oldest first.
    public func openRollouts() throws -> [StoredRollout] {
        try sql.rows(
            "SELECT id, open, revision, started, state FROM rollouts WHERE open = 1 ORDER BY started, id",
            []
        ).map { try StoredRollout($0) }
    }

    /// One rollout.
    public func rollout(_ id: RolloutID) throws -> StoredRollout? {
        try sql.row("SELECT id, open, revision, started, state FROM rollouts WHERE id = $1", [.text(id.text)])
            .map { try StoredRollout($0) }
    }

    /// Gives a node the target of a rollout to install.
    public func assign(node: NodeID, rollout: RolloutID, target: String) throws {
        try sql.run(
            """
            INSERT INTO assignments (node, rollout, target) VALUES ($1, $2, $3)
            ON CONFLICT (node, rollout) DO UPDATE SET target = $3
            """,
            [.text(node.text), .text(rollout.text), .text(target)]
        )
    }

    /// Takes a rollout's work from a node.
    public func withdraw(node: NodeID, rollout: RolloutID) throws {
        try sql.run(
            "DELETE FROM assignments WHERE node = $1 AND rollout = $2",
            [.text(node.text), .text(rollout.text)]
        )
    }

    /// What a node has to do: targets with the statements that allow them, the oldest rollout first.
    public func assignments(
        of node: NodeID
    ) throws -> [(rollout: RolloutID, target: String, statement: SignedStatement)] {
        try sql.rows(
            """
            SELECT a.rollout, a.target, s.envelope FROM assignments a
            JOIN statements s ON s.id = a.rollout JOIN rollouts r ON r.id = a.rollout
            WHERE a.node = $1 ORDER BY r.started, a.rollout
            """,
            [.text(node.text)]
        ).map { (try StoredName.read($0.text(0)), try $0.text(1), try Self.statement(try $0.text(2))) }
    }

    /// What every node has to do: rollout and target path.
    public func assignments() throws -> [(node: NodeID, rollout: RolloutID, target: String)] {
        try sql.rows("SELECT node, rollout, target FROM assignments", []).map {
            (try StoredName.read($0.text(0)), try StoredName.read($0.text(1)), try $0.text(2))
        }
    }
}
