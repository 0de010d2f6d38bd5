import ByteCoding
import MusterModel

/// Enrollment secrets, with the uses that are left of each, and nodes that wait for approval.
extension StoreTransaction {
    /// Adds the secret of an `enroll` statement; false where another statement has it.
    public func addSecret(sha256: [UInt8], uses: Int, statement: Statement) throws -> Bool {
        try sql.run(
            """
            INSERT INTO enroll_secrets (secret_sha256, statement, uses, used, expires) VALUES ($1, $2, $3, 0, $4)
            ON CONFLICT (secret_sha256) DO NOTHING
            """,
            [
                .bytes(sha256), .text(statement.id.text), .integer(Int64(uses)),
                .integer(statement.expires.milliseconds),
            ]
        ) == 1
    }

    /// The statement behind a secret, whether or not it may still be used.
    public func statement(secretSHA256: [UInt8]) throws -> SignedStatement? {
        try sql.row(
            """
            SELECT s.envelope FROM enroll_secrets e JOIN statements s ON s.id = e.statement
            WHERE e.secret_sha256 = $1
            """,
            [.bytes(secretSHA256)]
        ).map { try Self.statement(try $0.text(0)) }
    }

    /// Takes one use of a secret; false when none is left or it has expired.
    public func takeUse(secretSHA256: [UInt8], now: UTCTime) throws -> Bool {
        try sql.run(
            "UPDATE enroll_secrets SET used = used + 1 WHERE secret_sha256 = $1 AND used < uses AND expires > $2",
            [.bytes(secretSHA256), .integer(now.milliseconds)]
        ) == 1
    }

    /// Nodes that wait for approval, oldest first.
    public func pendingEnrollments() throws -> [StoredPending] {
        try sql.rows("SELECT \(StoredPending.columns) FROM pending_enrollments ORDER BY asked, code", [])
            .map { try StoredPending($0) }
    }

    /// The waiting node with this code.
    public func pendingEnrollment(code: String) throws -> StoredPending? {
        try sql.row(
            "SELECT \(StoredPending.columns) FROM pending_enrollments WHERE code = $1",
            [.text(code)]
        ).map { try StoredPending($0) }
    }

    /// The waiting node with this key.
    public func pendingEnrollment(key: [UInt8]) throws -> StoredPending? {
        try sql.row(
            "SELECT \(StoredPending.columns) FROM pending_enrollments WHERE node_key = $1",
            [.bytes(key)]
        ).map { try StoredPending($0) }
    }

    /// Adds a waiting node.
    public func add(_ pending: StoredPending) throws {
        try sql.run(
            """
            INSERT INTO pending_enrollments (node_key, code, name, address, asked, tailnet_id, tailnet_key, tailnet_name)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            [
                .bytes(pending.key), .text(pending.code), .text(pending.name), .text(pending.address),
                .integer(pending.asked.milliseconds), .optional(pending.tailnet?.id), .optional(pending.tailnet?.key),
                .optional(pending.tailnet?.name),
            ]
        )
    }

    /// Forgets a waiting node.
    public func removePending(key: [UInt8]) throws {
        try sql.run("DELETE FROM pending_enrollments WHERE node_key = $1", [.bytes(key)])
    }

    /// Forgets nodes that have waited since before `moment`.
    public func removePending(askedBefore moment: UTCTime) throws {
        try sql.run("DELETE FROM pending_enrollments WHERE asked < $1", [.integer(moment.milliseconds)])
    }
}

/// A node that waits for an operator's approval.
public struct StoredPending: Hashable, Sendable {
    /// Its Ed25519 public key.
    public let key: [UInt8]
    /// The short code that it shows.
    public let code: String
    /// The name it would like.
    public let name: String
    /// The address it asked from.
    public let address: String
    /// When it first asked.
    public let asked: UTCTime
    /// Who asked, as the tailnet said.
    public let tailnet: TailnetBinding?

    static let columns = "node_key, code, name, address, asked, tailnet_id, tailnet_key, tailnet_name"

    /// A waiting node.
    public init(
        key: [UInt8],
        code: String,
        name: String,
        address: String,
        asked: UTCTime,
        tailnet: TailnetBinding? = nil
    ) {
        self.key = key
        self.code = code
        self.name = name
        self.address = address
        self.asked = asked
        self.tailnet = tailnet
    }

    init(_ row: SQLRow) throws(StoreError) {
        key = try row.bytes(0)
        code = try row.text(1)
        name = try row.text(2)
        address = try row.text(3)
        asked = UTCTime(milliseconds: try row.integer(4))
        tailnet = try TailnetBinding(id: row.optionalText(5), row.optionalText(6), row.optionalText(7))
    }
}
