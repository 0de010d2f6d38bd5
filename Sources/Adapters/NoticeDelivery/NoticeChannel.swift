// How notices leave the service: a webhook gets JSON, a mail command gets a message on standard input.
//
// Parties: whoever runs musterd says where notices go; nobody else can. Keys: one secret shared with a webhook's receiver,
// in a file of mode 0600. Trust: the receiver is believed nothing but its status; it cannot redirect us, keep us waiting,
// or send more than we read. What a node says of itself reaches it as data, never as a header, an argument or a line.
import MusterIdentity

/// A way by which notices reach people.
public protocol NoticeChannel: Sendable {
    /// What the register remembers it by: stays the same while it leads to the same place, and gives no secret away.
    var id: String { get }

    /// What people call it, without secrets.
    var name: String { get }

    /// The exact bytes that deliver a message, made once: every further attempt delivers the same.
    func bytes(_ message: NoticeMessage) -> [UInt8]

    /// Delivers what `bytes` made of the message with this id, within a bounded time.
    ///
    /// Returns when the other side has taken it. It may have taken it before: an answer can get lost.
    func deliver(_ bytes: [UInt8], id: String) async throws(NoticeDeliveryError)
}

/// Why a notice was not delivered; without secrets.
public struct NoticeDeliveryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was tried and why it failed, on one line.
    public let message: String

    /// A failure.
    public init(_ message: String) {
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
