import Foundation
import GRDB

/// SQLite in WAL mode through GRDB's pool: one writer, several readers, each on a dispatch queue of its own.
public final class SQLiteDriver: SQLDriver {
    private let pool: DatabasePool

    /// Opens the database file at `path`, making it where it is missing.
    public init(path: String) throws(StoreError) {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(10)
        configuration.maximumReaderCount = 4
        configuration.label = "muster"
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            // GRDB chooses NORMAL for WAL, which may lose acknowledged commits when power fails.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        } catch {
            throw StoreError(.unavailable, "cannot open the register \(path): \(error)")
        }
    }

    /// Runs `body` in one transaction that may write; see `SQLDriver`.
    public func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws -> Value {
        try await pool.write { try body(SQLiteTransaction(database: $0)) }
    }

    /// Runs `body` in one transaction that only reads; see `SQLDriver`.
    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws -> Value {
        try await pool.read { try body(SQLiteTransaction(database: $0)) }
    }

    /// Ends every connection.
    public func close() throws {
        try pool.close()
    }
}

private struct SQLiteTransaction: SQLTransaction {
    let database: Database

    func run(_ sql: String, _ arguments: [SQLValue]) throws(StoreError) -> Int {
        do {
            try database.cachedStatement(sql: sql).execute(arguments: bound(arguments))
            return database.changesCount
        } catch {
            throw failure(sql, error)
        }
    }

    func rows(_ sql: String, _ arguments: [SQLValue]) throws(StoreError) -> [SQLRow] {
        do {
            let cursor = try Row.fetchCursor(database.cachedStatement(sql: sql), arguments: bound(arguments))
            var rows: [SQLRow] = []
            while let row = try cursor.next() { rows.append(SQLRow(row.databaseValues.map(value))) }
            return rows
        } catch {
            throw failure(sql, error)
        }
    }

    /// Binds by name: an array would be bound in the order in which the placeholders occur, not by their numbers.
    private func bound(_ values: [SQLValue]) -> StatementArguments {
        var named: [String: (any DatabaseValueConvertible)?] = [:]
        named.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            switch value {
            case .null: named.updateValue(nil, forKey: String(index + 1))
            case .integer(let number): named[String(index + 1)] = number
            case .text(let text): named[String(index + 1)] = text
            case .bytes(let bytes): named[String(index + 1)] = Data(bytes)
            }
        }
        return StatementArguments(named)
    }

    private func value(_ value: DatabaseValue) -> SQLValue {
        switch value.storage {
        case .null: .null
        case .int64(let number): .integer(number)
        case .double(let number): .text(String(number))
        case .string(let text): .text(text)
        case .blob(let data): .bytes(Array(data))
        }
    }

    private func failure(_ sql: String, _ error: any Error) -> StoreError {
        let statement = sql.split(separator: "\n").first.map(String.init) ?? sql
        if let error = error as? DatabaseError, error.resultCode == .SQLITE_CONSTRAINT {
            return StoreError(.conflict, "the register refused '\(statement)': \(error.message ?? "constraint")")
        }
        return StoreError(.unavailable, "the register could not run '\(statement)': \(error)")
    }
}
