/// A database that speaks the portable dialect: `$1` placeholders, BIGINT, TEXT, BYTEA, `ON CONFLICT`, `RETURNING`.
///
/// Everything above this protocol is plain SQL, so that a PostgreSQL driver can stand beside the SQLite one.
public protocol SQLDriver: Sendable {
    /// Runs `body` in one transaction that may write, after those asked for earlier.
    ///
    /// Returns only after the transaction is on disk: it survives `kill -9` and loss of power. What `body` throws rolls
    /// the transaction back. `body` runs on a thread of the driver's own, never on the cooperative pool.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws -> Value

    /// Runs `body` in one transaction that only reads, on a snapshot; it does not wait for writers.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws -> Value

    /// Ends every connection; the driver is not used afterwards.
    func close() throws
}

/// A transaction that is open; it must not leave the closure it was given to.
public protocol SQLTransaction {
    /// Runs a statement that answers nothing; returns how many rows it changed.
    @discardableResult
    func run(_ sql: String, _ arguments: [SQLValue]) throws(StoreError) -> Int

    /// Runs a statement to its end and returns its rows.
    func rows(_ sql: String, _ arguments: [SQLValue]) throws(StoreError) -> [SQLRow]
}

extension SQLTransaction {
    /// The first row of the answer, if any.
    public func row(_ sql: String, _ arguments: [SQLValue]) throws(StoreError) -> SQLRow? {
        try rows(sql, arguments).first
    }
}
