/// Why text is not what a Debian package must hold: where, and what was wrong.
public struct DebianPackageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `line 3`, or the name of a field.
    public let location: String
    /// What was wrong, as one lower-case clause.
    public let reason: String

    /// An error at `location` with `reason`.
    public init(location: String, reason: String) {
        self.location = location
        self.reason = reason
    }

    /// `field Version: is missing`.
    public var description: String { "\(location): \(reason)" }
}
