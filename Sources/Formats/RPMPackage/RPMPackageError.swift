/// Why bytes are not what an rpm must hold: where, and what was wrong.
public struct RPMPackageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `lead`, `signature header`, `header`, or a tag such as `tag 1000`.
    public let location: String
    /// What was wrong, as one lower-case clause.
    public let reason: String

    /// An error at `location` with `reason`.
    public init(location: String, reason: String) {
        self.location = location
        self.reason = reason
    }

    /// `header: ends too early`.
    public var description: String { "\(location): \(reason)" }
}
