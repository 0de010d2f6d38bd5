import Logging

/// A log in which every message is one line: names, paths and reports of nodes and callers are part of messages, and a
/// newline in one would forge a line of its own.
struct OneLineLog: LogHandler {
    /// At most so many characters of a text are shown.
    private static let limit = 4000

    private var inner: any LogHandler

    init(_ inner: any LogHandler) {
        self.inner = inner
    }

    var logLevel: Logger.Level {
        get { inner.logLevel }
        set { inner.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { inner.metadata }
        set { inner.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { inner[metadataKey: key] }
        set { inner[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        var event = event
        event.message = "\(Self.text(event.message.description))"
        event.metadata = event.metadata?.mapValues { .string(Self.text($0.description)) }
        inner.log(event: event)
    }

    /// The text with every control character, and everything that breaks or turns a line, shown as `?`.
    private static func text(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(limit).map { scalar -> Unicode.Scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: "?"
            default: scalar
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }
}
