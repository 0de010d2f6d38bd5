/// Why a document was refused: where in it, and what was wrong.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `byte 12` for text that is not JSON, the path of the field (`signed.roles.root.threshold`) otherwise.
    public let location: String
    /// What was wrong, as one lower-case clause.
    public let reason: String

    /// An error at `location` with `reason`.
    public init(location: String, reason: String) {
        self.location = location
        self.reason = reason
    }

    /// Location and reason on one line.
    public var description: String { location.isEmpty ? reason : "\(location): \(reason)" }
}
