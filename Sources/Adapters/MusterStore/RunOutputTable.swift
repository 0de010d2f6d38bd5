import ByteCoding
import MusterModel

/// A piece of one node's output.
public struct StoredRunOutput: Hashable, Sendable {
    /// Its place among all pieces of the run, from 1.
    public let sequence: Int64
    /// The node.
    public let node: NodeID
    /// How many bytes of the node's output came before it.
    public let offset: Int64
    /// The stream's name.
    public let stream: String
    /// Milliseconds since the process began.
    public let milliseconds: Int64
    /// What was written.
    public let bytes: [UInt8]

    /// A piece.
    public init(sequence: Int64, node: NodeID, offset: Int64, stream: String, milliseconds: Int64, bytes: [UInt8]) {
        self.sequence = sequence
        self.node = node
        self.offset = offset
        self.stream = stream
        self.milliseconds = milliseconds
        self.bytes = bytes
    }

    init(_ row: SQLRow) throws {
        sequence = try row.integer(0)
        node = try StoredName.read(try row.text(1))
        offset = try row.integer(2)
        stream = try row.text(3)
        milliseconds = try row.integer(4)
        bytes = try row.bytes(5)
    }
}

/// Output of runs.
extension StoreTransaction {
    /// Adds a piece.
    public func add(_ piece: StoredRunOutput, to run: RunID) throws {
        try sql.run(
            """
            INSERT INTO run_output (run, sequence, node, begins, stream, milliseconds, bytes)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [
                .text(run.text), .integer(piece.sequence), .text(piece.node.text), .integer(piece.offset),
                .text(piece.stream), .integer(piece.milliseconds), .bytes(piece.bytes),
            ]
        )
    }

    /// Pieces after `sequence` in order, of one node or of all, at most `limit`.
    public func output(of run: RunID, after sequence: Int64, node: NodeID?, limit: Int) throws -> [StoredRunOutput] {
        let columns = "sequence, node, begins, stream, milliseconds, bytes"
        var values: [SQLValue] = [.text(run.text), .integer(sequence), .integer(Int64(limit))]
        if let node { values.append(.text(node.text)) }
        return try sql.rows(
            """
            SELECT \(columns) FROM run_output WHERE run = $1 AND sequence > $2\(node == nil ? "" : " AND node = $4")
            ORDER BY sequence LIMIT $3
            """,
            values
        ).map { try StoredRunOutput($0) }
    }

    /// Forgets some output of a run that ended before `time`; false once there is none left to forget.
    ///
    /// At most `limit` pieces at once: nobody waits long behind it. The record of the run stays.
    public func forgetRunOutput(endedBefore time: UTCTime, limit: Int) throws -> Bool {
        let found = try sql.row(
            "SELECT id FROM runs WHERE open = 0 AND kept = 1 AND ended < $1 ORDER BY ended LIMIT 1",
            [.integer(time.milliseconds)]
        )
        guard let run = try found?.text(0) else { return false }
        let forgotten = try sql.run(
            """
            DELETE FROM run_output WHERE run = $1 AND sequence IN (
                SELECT sequence FROM run_output WHERE run = $1 ORDER BY sequence LIMIT $2)
            """,
            [.text(run), .integer(Int64(limit))]
        )
        if forgotten < limit { try sql.run("UPDATE runs SET kept = 0 WHERE id = $1", [.text(run)]) }
        return true
    }
}
