/// One value that goes into a statement or comes out of a row: the three types of the portable dialect, and null.
public enum SQLValue: Hashable, Sendable {
    case null
    /// BIGINT.
    case integer(Int64)
    /// TEXT.
    case text(String)
    /// BYTEA.
    case bytes([UInt8])

    /// The text, or null.
    public static func optional(_ text: String?) -> SQLValue { text.map { .text($0) } ?? .null }

    /// The integer, or null.
    public static func optional(_ integer: Int64?) -> SQLValue { integer.map { .integer($0) } ?? .null }
}

/// One row of an answer; columns are read by position.
public struct SQLRow: Sendable {
    private let values: [SQLValue]

    /// A row of these values.
    public init(_ values: [SQLValue]) {
        self.values = values
    }

    /// A BIGINT that is not null.
    public func integer(_ column: Int) throws(StoreError) -> Int64 {
        guard case .integer(let value) = values[column] else { throw mismatch(column, "an integer") }
        return value
    }

    /// A TEXT that is not null.
    public func text(_ column: Int) throws(StoreError) -> String {
        guard case .text(let value) = values[column] else { throw mismatch(column, "text") }
        return value
    }

    /// A BYTEA that is not null.
    public func bytes(_ column: Int) throws(StoreError) -> [UInt8] {
        guard case .bytes(let value) = values[column] else { throw mismatch(column, "bytes") }
        return value
    }

    /// A BIGINT, or nil where it is null.
    public func optionalInteger(_ column: Int) throws(StoreError) -> Int64? {
        isNull(column) ? nil : try integer(column)
    }

    /// A TEXT, or nil where it is null.
    public func optionalText(_ column: Int) throws(StoreError) -> String? {
        isNull(column) ? nil : try text(column)
    }

    /// Whether the column is null.
    public func isNull(_ column: Int) -> Bool { values[column] == .null }

    private func mismatch(_ column: Int, _ expected: String) -> StoreError {
        StoreError(.corrupt, "column \(column) of a row in the register is not \(expected)")
    }
}
