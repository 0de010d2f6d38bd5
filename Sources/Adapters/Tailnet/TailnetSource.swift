/// Knows who is at an address.
public protocol TailnetSource: Sendable {
    /// Who is at an address (without port); nil where the tailnet knows nobody there.
    ///
    /// Throws where it cannot be known now: the caller refuses, and never lets in.
    func whois(_ address: String) async throws(TailnetError) -> TailnetIdentity?

    /// Everybody on the tailnet but this machine.
    func identities() async throws(TailnetError) -> [TailnetIdentity]

    /// This machine: its name and the addresses to listen on.
    func own() async throws(TailnetError) -> TailnetIdentity
}

/// Why the tailnet could not be asked.
public struct TailnetError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was asked, of whom, why it failed and what to do.
    public let message: String

    /// A failure.
    public init(_ message: String) {
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
