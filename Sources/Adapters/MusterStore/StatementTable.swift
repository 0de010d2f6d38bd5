import ByteCoding
import CanonicalJSON
import MusterModel

/// Signed statements, each id once.
extension StoreTransaction {
    /// Adds a statement; false where its id was used before.
    public func add(_ statement: SignedStatement, received: UTCTime) throws -> Bool {
        try add(statement, envelope: statement.json.canonicalBytes, received: received)
    }

    /// The same where the canonical bytes of the whole envelope are at hand.
    public func add(_ statement: SignedStatement, envelope: [UInt8], received: UTCTime) throws -> Bool {
        try sql.run(
            """
            INSERT INTO statements (id, type, requester, envelope, issued, expires, received)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING
            """,
            [
                .text(statement.statement.id.text), .text(statement.statement.type.rawValue),
                .text(statement.statement.requester.text), .text(String(decoding: envelope, as: UTF8.self)),
                .integer(statement.statement.issued.milliseconds), .integer(statement.statement.expires.milliseconds),
                .integer(received.milliseconds),
            ]
        ) == 1
    }

    /// Replaces a statement's envelope by one with more signatures.
    public func replace(_ statement: SignedStatement) throws {
        try sql.run(
            "UPDATE statements SET envelope = $2 WHERE id = $1",
            [.text(statement.statement.id.text), .text(Self.text(statement))]
        )
    }

    /// The statement with this id.
    public func statement(_ id: StatementID) throws -> SignedStatement? {
        try sql.row("SELECT envelope FROM statements WHERE id = $1", [.text(id.text)]).map {
            try Self.statement(try $0.text(0))
        }
    }

    /// `tag-node` statements of a node that have not expired, oldest first, the newest `limit`.
    public func tagStatements(of node: NodeID, now: UTCTime, limit: Int) throws -> [SignedStatement] {
        try sql.rows(
            """
            SELECT s.envelope FROM tag_statements t JOIN statements s ON s.id = t.statement
            WHERE t.node = $1 AND s.expires > $2 ORDER BY t.issued DESC, s.id DESC LIMIT $3
            """,
            [.text(node.text), .integer(now.milliseconds), .integer(Int64(limit))]
        ).reversed().map { try Self.statement(try $0.text(0)) }
    }

    /// When the newest `tag-node` statement of a node was issued.
    public func newestTagging(of node: NodeID) throws -> UTCTime? {
        let row = try sql.row("SELECT MAX(issued) FROM tag_statements WHERE node = $1", [.text(node.text)])
        guard let row, !row.isNull(0) else { return nil }
        return UTCTime(milliseconds: try row.integer(0))
    }

    /// Records that a `tag-node` statement names a node, and the tags it gives.
    public func addTagging(_ statement: Statement, node: NodeID, tags: [Tag]) throws {
        try sql.run(
            "INSERT INTO tag_statements (node, statement, issued) VALUES ($1, $2, $3)",
            [.text(node.text), .text(statement.id.text), .integer(statement.issued.milliseconds)]
        )
        try sql.run(
            "UPDATE nodes SET tags = $2 WHERE id = $1",
            [.text(node.text), .text(StoredNode.text(tags))]
        )
    }

    static func text(_ statement: SignedStatement) -> String {
        String(decoding: statement.json.canonicalBytes, as: UTF8.self)
    }

    static func statement(_ text: String) throws -> SignedStatement {
        let value = try JSONValue.parse(Array(text.utf8), limit: SignedStatement.byteLimit * 2)
        return try SignedStatement(try JSONFields(value))
    }
}
