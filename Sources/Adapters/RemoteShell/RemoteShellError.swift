/// Why nothing was run on a machine: what was tried, where, and why it failed.
///
/// Two errors are equal when their codes are.
public struct RemoteShellError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure.
    public enum Code: String, Sendable {
        /// It could not be connected to, or the connection broke before anything was asked for.
        case unreachable
        /// It took longer than it was allowed to.
        case timeout
        /// The server's key is none of the node's.
        case hostKey = "host-key"
        /// The server's key is revoked.
        case revokedHostKey = "revoked-host-key"
        /// The two sides have no algorithm in common, or the server does not speak SSH.
        case handshake
        /// The server does not let this key and certificate in.
        case denied
        /// The server lets in, but runs nothing.
        case refused
        /// Whoever asked does not want it any more.
        case cancelled
        /// The key and the certificate cannot be used.
        case identity
        /// The session is closed, or busy with another command.
        case session
    }

    /// What kind of failure.
    public let code: Code
    /// What was tried, on what, and why it failed.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether both are of one kind.
    public static func == (left: RemoteShellError, right: RemoteShellError) -> Bool { left.code == right.code }

    /// The message.
    public var description: String { message }
}
