/// Why nothing was signed: what was tried, on what, why it failed, what to do.
public struct SigningError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What went wrong, for programs.
    public enum Code: Sendable, Equatable {
        /// The passphrase does not open the file, or the file was altered: the two cannot be told apart.
        case wrongPassphrase
        /// A file, its parameters or its contents are not what they should be.
        case malformed
        /// The agent or program could not be reached or run.
        case unavailable
        /// The agent does not hold the key.
        case keyNotFound
        /// The agent, the program or its user said no.
        case refused
        /// No answer in time.
        case timedOut
        /// What came back is no valid signature by the key.
        case badSignature
    }

    /// What went wrong, for programs.
    public let code: Code
    /// What went wrong, for people.
    public let message: String

    /// An error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
