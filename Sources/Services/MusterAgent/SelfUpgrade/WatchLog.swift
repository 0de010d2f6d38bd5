import ByteCoding
import Glibc
import Logging
import MusterSystem

/// Where a watcher writes what it does: a file in its folder, and standard error, which systemd keeps.
///
/// A line that cannot be written is lost: nothing waits for it.
struct WatchLog: LogHandler {
    private let file: OpenFile?
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(_ path: String) {
        file = try? OpenFile(path, flags: O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, mode: 0o600)
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        write(event.level, event.message, event.metadata)
    }

    private func write(_ level: Logger.Level, _ message: Logger.Message, _ more: Logger.Metadata?) {
        let words = metadata.merging(more ?? [:]) { $1 }.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
        let text = "\(WallClock.now().wholeSeconds) \(level) \(message)\(words.joined())"
        let line = Array((text.harmless + "\n").utf8)
        try? file?.write(line)
        _ = Glibc.write(STDERR_FILENO, line, line.count)
    }
}
