/// Why no certificate is made, for programs (the code) and for people (the message).
public struct CertificateRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// What stands against it.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        /// The statement asks for no certificate, or what no certificate may hold.
        case malformed
        /// The certificate would be over at once.
        case noTimeLeft = "no-time-left"
        /// Nobody could say where its user may come from.
        case noAddress = "no-address"
        /// A host without a name, or with a pattern for one.
        case noName = "no-name"
        /// An OpenSSH that it is for would refuse or mishandle it.
        case incompatible
        /// The CA's signature does not have the form of one.
        case badSignature = "bad-signature"
    }

    /// What stands against it.
    public let code: Code
    /// What was tried, on what, and why it is refused.
    public let message: String

    /// A refusal.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
