/// Why the register could not do what it was asked.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// What callers tell apart.
    public enum Code: Hashable, Sendable {
        /// The database could not be opened, read or written.
        case unavailable
        /// A migration of the database is not the one this program knows, or is from a newer program.
        case migration
        /// What the database holds is not what this program wrote.
        case corrupt
        /// The same thing is there already.
        case conflict
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was tried, on what, and why it failed.
    public let message: String

    /// A failure.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
