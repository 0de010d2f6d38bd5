import ByteCoding
import CanonicalJSON
import MusterModel

/// One node's part in a run as the register keeps it.
public struct StoredRunNode: Hashable, Sendable {
    /// Its place among the run's nodes.
    public let position: Int
    /// The node.
    public let node: NodeID
    /// How far it is.
    public var state: String
    /// Since when.
    public var since: UTCTime
    /// Why, in words; may be empty.
    public var reason: String
    /// When it was last given the run; nil before.
    public var assigned: UTCTime?
    /// When its process began; nil before.
    public var started: UTCTime?
    /// Whether its end is what the node itself said.
    public var isStated: Bool
    /// How many bytes of output were taken from it.
    public var received: Int64
    /// In how many pieces they are kept.
    public var pieces: Int64
    /// How its process ended; nil where that is not known.
    public var result: RunResult?

    /// A node's part.
    public init(
        position: Int,
        node: NodeID,
        state: String,
        since: UTCTime,
        reason: String = "",
        assigned: UTCTime? = nil,
        started: UTCTime? = nil,
        isStated: Bool = false,
        received: Int64 = 0,
        pieces: Int64 = 0,
        result: RunResult? = nil
    ) {
        self.position = position
        self.node = node
        self.state = state
        self.since = since
        self.reason = reason
        self.assigned = assigned
        self.started = started
        self.isStated = isStated
        self.received = received
        self.pieces = pieces
        self.result = result
    }

    init(_ row: SQLRow) throws {
        position = Int(try row.integer(0))
        node = try StoredName.read(try row.text(1))
        state = try row.text(2)
        since = UTCTime(milliseconds: try row.integer(3))
        reason = try row.text(4)
        assigned = try row.optionalInteger(5).map { UTCTime(milliseconds: $0) }
        started = try row.optionalInteger(6).map { UTCTime(milliseconds: $0) }
        isStated = try row.integer(7) == 1
        received = try row.integer(8)
        pieces = try row.integer(9)
        result = try row.optionalText(10).map {
            try RunResult(try JSONFields(try JSONValue.parse(Array($0.utf8), limit: 65536)))
        }
    }
}

/// The nodes' parts in runs.
extension StoreTransaction {
    /// Writes a node's part, new or changed.
    public func put(_ part: StoredRunNode, of run: RunID) throws {
        try sql.run(
            """
            INSERT INTO run_nodes
                (run, position, node, state, since, reason, assigned, started, stated, received, pieces, result)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (run, position) DO UPDATE SET state = $4, since = $5, reason = $6, assigned = $7, started = $8,
                stated = $9, received = $10, pieces = $11, result = $12
            """,
            [
                .text(run.text), .integer(Int64(part.position)), .text(part.node.text), .text(part.state),
                .integer(part.since.milliseconds), .text(part.reason), .optional(part.assigned?.milliseconds),
                .optional(part.started?.milliseconds), .integer(part.isStated ? 1 : 0), .integer(part.received),
                .integer(part.pieces),
                .optional(part.result.map { String(decoding: $0.json.canonicalBytes, as: UTF8.self) }),
            ]
        )
    }

    /// Every node's part in a run, in the order of their turns.
    public func runNodes(of run: RunID) throws -> [StoredRunNode] {
        try sql.rows(
            """
            SELECT position, node, state, since, reason, assigned, started, stated, received, pieces, result
            FROM run_nodes WHERE run = $1 ORDER BY position
            """,
            [.text(run.text)]
        ).map { try StoredRunNode($0) }
    }
}
