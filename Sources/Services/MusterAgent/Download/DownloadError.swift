import MusterSystem

/// Why a package is not there: what was fetched, and what went wrong.
public struct DownloadError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of failure it is; errors compare by it.
    public enum Code: String, Sendable {
        /// The service did not answer, or broke off; what came is kept for resuming.
        case unreachable
        /// The service does not have the file.
        case missing
        /// It came too slowly to ever end: the slow retrieval attack, or a bad line.
        case tooSlow
        /// More came than the signed length: the endless data attack.
        case tooLong
        /// What came is not what was signed.
        case wrongContent
        /// There is no room for it.
        case diskFull
        /// It could not be kept.
        case storage
        /// The agent ends.
        case cancelled
    }

    /// The kind of failure.
    public let code: Code
    /// What was tried on what, and why it failed.
    public let message: String

    /// A failure.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: SystemError) {
        self.init(error.isDiskFull ? .diskFull : .storage, "\(error)")
    }

    /// The message.
    public var description: String { message }

    /// Two failures are the same when they are of one kind.
    public static func == (left: DownloadError, right: DownloadError) -> Bool { left.code == right.code }
}
