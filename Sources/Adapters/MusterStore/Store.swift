// The register of a fleet, and all SQL.
//
// Party: musterd alone. File: one database. Rotation: `schema` grows by numbered migrations that never change.
//
// Promises: what a write returned for is on disk; what one `write` does is done whole or not at all; every event is in the
// same transaction as what it records, numbered without gaps. Callers see typed rows, never SQL; drivers see SQL, never
// types, so that a second driver can be added.
import ByteCoding
import Synchronization

/// The register of one fleet.
public final class Store: Sendable {
    private let driver: any SQLDriver
    /// Groups small changes into commits.
    public let grouped: GroupedWriter
    private let listener = Mutex<(@Sendable () -> Void)?>(nil)

    /// Brings the database behind `driver` up to date and opens it.
    public init(_ driver: any SQLDriver, now: UTCTime) async throws {
        self.driver = driver
        try await driver.write { try schema.apply($0, now: now.milliseconds) }
        grouped = GroupedWriter(driver)
    }

    /// Opens the SQLite database at `path`.
    public static func open(path: String, now: UTCTime) async throws -> Store {
        try await Store(try SQLiteDriver(path: path), now: now)
    }

    /// Does `body` whole or not at all; on disk when it returns.
    public func write<Value: Sendable>(
        _ body: @escaping @Sendable (StoreTransaction) throws -> Value
    ) async throws -> Value {
        let (value, newEvents) = try await driver.write { sql in
            let transaction = StoreTransaction(sql: sql)
            return (try body(transaction), transaction.written.count)
        }
        if newEvents > 0 { listener.withLock { $0 }?() }
        return value
    }

    /// Calls `listener` after each `write` that appended events.
    public func onEvents(_ listener: @escaping @Sendable () -> Void) {
        self.listener.withLock { $0 = listener }
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
    let written = Written()

    /// How many events were appended.
    final class Written {
        var count = 0
    }
}
