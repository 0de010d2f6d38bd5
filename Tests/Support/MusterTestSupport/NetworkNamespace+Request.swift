import MusterSystem

/// What came of an attempt to reach an address from within a namespace.
public enum ReachAttempt: Equatable, Sendable, CustomStringConvertible {
    /// An HTTP answer: its status and body.
    case answered(status: Int, body: String)
    /// A connection was made, but what came was no HTTP answer.
    case connected(String)
    /// The other side refused the connection.
    case refused
    /// No answer came in time.
    case silent
    /// It could not even be tried, or broke off: in the system's words.
    case failed(String)

    /// The attempt in words.
    public var description: String {
        switch self {
        case .answered(let status, let body): "answered \(status): \(body)"
        case .connected(let text): "connected: \(text)"
        case .refused: "refused"
        case .silent: "silent"
        case .failed(let reason): "failed: \(reason)"
        }
    }

    /// The status of the answer; nil where there was none.
    public var status: Int? {
        if case .answered(let status, _) = self { status } else { nil }
    }

    /// The body of the answer; empty where there was none.
    public var body: String {
        if case .answered(_, let body) = self { body } else { "" }
    }
}

extension NetworkNamespace {
    /// Connects from within the namespace, sends one HTTP request and waits for the whole answer.
    ///
    /// What is secret may be in `headers` and `body`: they are in nobody's arguments.
    public func request(
        _ method: String = "GET",
        _ path: String = "/healthz",
        at address: String,
        port: Int,
        headers: [String: String] = [:],
        body: [UInt8] = [],
        timeout: Duration = .seconds(20)
    ) async throws -> ReachAttempt {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(address):\(port)\r\nConnection: close\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if !body.isEmpty { head += "Content-Length: \(body.count)\r\n" }
        let script = "exec 3<>/dev/tcp/$0/$1 || exit 9; echo connected >&2; cat >&3; exec cat <&3"
        let result = try await run(
            "/bin/bash",
            ["-c", script, address, "\(port)"],
            input: Array((head + "\r\n").utf8) + body,
            timeout: timeout
        )
        return Self.attempt(result)
    }

    private static func attempt(_ result: CommandResult) -> ReachAttempt {
        let text = result.outputText
        guard result.errorText.contains("connected\n") else {
            if result.timedOut || result.errorText.contains("timed out") { return .silent }
            return result.errorText.contains("refused") ? .refused : .failed(result.errorText)
        }
        let lines = text.split(separator: "\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let words = (lines.first ?? "").split(separator: " ")
        guard words.count > 1, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
            return .connected(result.timedOut ? "and no answer came" : text + result.errorText)
        }
        return .answered(status: status, body: body(text))
    }

    /// What follows the first empty line.
    private static func body(_ text: String) -> String {
        let bytes = Array(text.utf8)
        for index in bytes.indices.dropLast(3) where bytes[index..<(index + 4)].elementsEqual([13, 10, 13, 10]) {
            return String(decoding: bytes[(index + 4)...], as: UTF8.self)
        }
        return ""
    }
}
