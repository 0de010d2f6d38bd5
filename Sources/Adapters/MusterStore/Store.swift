// The register of a fleet, and all SQL.
//
// Party: musterd alone. File: one database. Rotation: `schema` grows by numbered migrations that never change.
//
// Promises: what a write returned for is on disk; what one `write` does is done whole or not at all; every event is in the
// same transaction as what it records, numbered without gaps. Callers see typed rows, never SQL; drivers see SQL, never
// types, so that a second driver can be added.
import ByteCoding

/// The register of one fleet.
public final class Store: Sendable {
    private let driver: any SQLDriver
    /// Groups reports into commits.
    public let reports: ReportWriter

    /// Brings the database behind `driver` up to date and opens it.
    public init(_ driver: any SQLDriver, now: UTCTime) async throws {
        self.driver = driver
        try await driver.write { try schema.apply($0, now: now.milliseconds) }
        reports = ReportWriter(driver)
    }

    /// Opens the SQLite database at `path`.
    public static func open(path: String, now: UTCTime) async throws -> Store {
        try await Store(try SQLiteDriver(path: path), now: now)
    }

    /// Does `body` whole or not at all; on disk when it returns.
    public func write<Value: Sendable>(
        _ body: @escaping @Sendable (StoreTransaction) throws -> Value
    ) async throws -> Value {
        try await driver.write { try body(StoreTransaction(sql: $0)) }
    }

    /// Reads from one consistent snapshot.
    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (StoreTransaction) throws -> Value
    ) async throws -> Value {
        try await driver.read { try body(StoreTransaction(sql: $0)) }
    }

    /// Ends every connection.
    public func close() throws {
        try driver.close()
    }
}

/// An open transaction; its tables are in files of their own.
public struct StoreTransaction {
    let sql: any SQLTransaction
}
