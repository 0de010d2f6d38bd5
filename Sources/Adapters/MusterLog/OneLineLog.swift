import ByteCoding
import Logging

/// A log in which every event is one line that steers no terminal.
///
/// Names, paths and reports of others are part of messages, and a newline in one would forge a line of its own.
public struct OneLineLog: LogHandler {
    /// Most bytes of a text.
    private static let limit = 16384

    private var inner: any LogHandler

    /// A log that writes where `inner` does.
    public init(_ inner: any LogHandler) {
        self.inner = inner
    }

    /// Below it nothing is written.
    public var logLevel: Logger.Level {
        get { inner.logLevel }
        set { inner.logLevel = newValue }
    }

    /// What stands in every event.
    public var metadata: Logger.Metadata {
        get { inner.metadata }
        set { inner.metadata = newValue }
    }

    /// One value that stands in every event.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { inner[metadataKey: key] }
        set { inner[metadataKey: key] = newValue }
    }

    /// Writes the event with nothing in it that steers.
    public func log(event: LogEvent) {
        var event = event
        event.message = "\(Self.text(event.message.description))"
        event.metadata = event.metadata?.mapValues { .string(Self.text($0.description)) }
        inner.log(event: event)
    }

    private static func text(_ text: String) -> String { text.bounded(limit).harmless }
}
