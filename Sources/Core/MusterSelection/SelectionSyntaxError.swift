/// Why a text is no selection: where, and what was expected there.
public struct SelectionSyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The column, from 1, counted in characters.
    public let column: Int
    /// What is wrong, as one clause.
    public let reason: String

    /// A mistake at a column.
    public init(column: Int, _ reason: String) {
        self.column = column
        self.reason = reason
    }

    /// The mistake with its place.
    public var description: String { "column \(column) of the selector: \(reason)" }
}
