import ByteCoding
import Logging

/// What the agent logs on standard error, each event on one line.
///
/// Much of it quotes what the service says or how a file is named: neither writes lines of its own or steers a terminal.
struct PlainLog: LogHandler {
    private var handler: StreamLogHandler

    init(label: String) {
        handler = StreamLogHandler.standardError(label: label)
    }

    var logLevel: Logger.Level {
        get { handler.logLevel }
        set { handler.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { handler.metadata }
        set { handler.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { handler[metadataKey: key] }
        set { handler[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        handler.log(event: Self.plain(event))
    }

    /// The event with nothing in it that steers.
    static func plain(_ event: LogEvent) -> LogEvent {
        var plain = event
        plain.message = Logger.Message(stringLiteral: event.message.description.harmless)
        plain.metadata = event.metadata?.mapValues { .string("\($0)".harmless) }
        return plain
    }
}
