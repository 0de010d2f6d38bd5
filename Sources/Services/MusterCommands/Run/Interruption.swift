import Glibc

/// What Ctrl-C does while something goes on elsewhere: says what goes on and how to end it, and ends this program alone.
enum Interruption {
    /// The exit status after Ctrl-C, as shells have it.
    static let status: Int32 = 130

    /// Read by the signal handler; written only while that is not installed.
    nonisolated(unsafe) private static var words: UnsafeMutablePointer<CChar>?
    /// How often Ctrl-C was pressed; a word, which the handler writes in one piece.
    nonisolated(unsafe) private static var count: sig_atomic_t = 0

    /// Has Ctrl-C say `text` and end the program, until `body` is done.
    static func saying<Value>(_ text: String, _ body: () async throws -> Value) async throws -> Value {
        words = strdup("\n" + text + "\n")
        let before = signal(SIGINT) { _ in
            if let words = Interruption.words { _ = write(STDERR_FILENO, words, strlen(words)) }
            _exit(Interruption.status)
        }
        // The text is left where it is: freed, it could be read by a handler that runs just now.
        defer { signal(SIGINT, before) }
        return try await body()
    }

    /// Has the first Ctrl-C say `text` and call `cancel`, and a second one end the program, until `body` is done.
    static func cancelling<Value>(
        _ text: String,
        _ cancel: @escaping @Sendable () -> Void,
        body: () async throws -> Value
    ) async throws -> Value {
        words = strdup("\n" + text + "\n")
        count = 0
        let before = signal(SIGINT) { _ in
            Interruption.count += 1
            if Interruption.count > 1 { _exit(Interruption.status) }
            if let words = Interruption.words { _ = write(STDERR_FILENO, words, strlen(words)) }
        }
        let watch = Task {
            while count == 0 { try await Task.sleep(for: .milliseconds(50)) }
            cancel()
        }
        defer {
            watch.cancel()
            signal(SIGINT, before)
        }
        return try await body()
    }
}
