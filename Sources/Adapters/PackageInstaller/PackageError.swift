import MusterSystem

/// A package could not be read, installed or removed: what was tried, on what, why, and what state it left.
public struct PackageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of failure it is; errors compare by it.
    public enum Code: String, Sendable {
        /// The file is not a whole, well-formed package.
        case malformed
        /// The package holds or becomes more than is allowed.
        case tooLarge
        /// A file could not be read.
        case unreadable
        /// Another process uses the package manager; nothing was changed.
        case locked
        /// The disk is full.
        case diskFull
        /// The package manager or a script of the package did not end in time and was ended.
        case hung
        /// The package manager or a script of the package failed.
        case failed
        /// The package manager failed and left files behind that belong to no whole version, whatever its database says.
        case damaged
        /// No program of this node installs packages of this format.
        case unsupported
        /// The package manager could not be started.
        case unavailable
    }

    /// The kind of failure.
    public let code: Code
    /// What was tried on what, and why it failed, as one line.
    public let message: String

    /// A failure.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: SystemError) {
        self.init(error.isDiskFull ? .diskFull : .unreadable, "\(error)")
    }

    /// The message.
    public var description: String { message }

    /// Two failures are the same when they are of one kind.
    public static func == (left: PackageError, right: PackageError) -> Bool { left.code == right.code }
}
