import Logging
import MusterLog
import Synchronization
import Testing

@Suite
struct OneLineLogTests {
    private final class Lines: Sendable {
        private let texts = Mutex<[String]>([])

        var all: [String] { texts.withLock { $0 } }

        func add(_ text: String) { texts.withLock { $0.append(text) } }
    }

    private struct Recorder: LogHandler {
        let lines: Lines
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.add(event.message.description)
            for value in (event.metadata ?? [:]).values { lines.add(value.description) }
        }
    }

    @Test("attack: what nodes and callers say forges no line and steers no terminal")
    func forgedLines() {
        let lines = Lines()
        var log = Logger(label: "test") { _ in OneLineLog(Recorder(lines: lines)) }
        log.logLevel = .warning
        log.info("not shown")
        let user = "root\r\n2030-01-01 critical musterd: all is well\u{1B}[2J\u{2028}\u{85}\u{202E}"
        log.critical("rogue login as \(user)", metadata: ["user": "a\nb"])
        #expect(lines.all == ["rogue login as root??2030-01-01 critical musterd: all is well?[2J???", "a?b"])
    }
}
