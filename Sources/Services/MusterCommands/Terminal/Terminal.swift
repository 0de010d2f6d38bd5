import CanonicalJSON
import Glibc
import Synchronization

/// Where a command reads and writes, and the rules for how.
///
/// Results go to standard output, everything else to standard error. Errors are one lower-case line without a final
/// period, `muster: …`. Colours only on a terminal and without `NO_COLOR`; no question is ever asked unless standard
/// input is a terminal.
public final class Terminal: Sendable {
    /// The two ways out.
    public enum Stream: Sendable {
        case output
        case error
    }

    /// What the ends are connected to.
    public struct Kind: Sendable {
        /// Whether questions can be asked.
        public var canAsk: Bool
        /// Whether standard output is a screen that can be redrawn.
        public var isScreen: Bool
        /// Whether colours are shown.
        public var showsColors: Bool
        /// Columns of the screen.
        public var columns: Int

        /// A description; the default is a pipe.
        public init(canAsk: Bool = false, isScreen: Bool = false, showsColors: Bool = false, columns: Int = 80) {
            self.canAsk = canAsk
            self.isScreen = isScreen
            self.showsColors = showsColors
            self.columns = columns
        }
    }

    let kind: Kind
    private let sink: @Sendable (String, Stream) -> Void
    private let drawn = Mutex(0)

    /// A terminal that hands what is written to `sink`, which is called with whole lines.
    public init(_ kind: Kind, sink: @escaping @Sendable (String, Stream) -> Void) {
        self.kind = kind
        self.sink = sink
    }

    /// The terminal or pipe that the program was started with.
    public static func system(environment: [String: String]) -> Terminal {
        let isScreen = isatty(STDOUT_FILENO) == 1 && environment["TERM"] != "dumb"
        var size = winsize()
        let columns = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
        let kind = Kind(
            canAsk: isatty(STDIN_FILENO) == 1,
            isScreen: isScreen,
            showsColors: isScreen && (environment["NO_COLOR"] ?? "").isEmpty,
            columns: columns
        )
        return Terminal(kind) { text, stream in
            let bytes = Array(text.utf8)
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    write(stream == .output ? STDOUT_FILENO : STDERR_FILENO, $0.baseAddress, $0.count)
                }
                if count <= 0 { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    // MARK: - Writing

    /// A line of the result.
    func line(_ text: String = "") {
        sink(StyledText.harmless(text) + "\n", .output)
    }

    /// A line of the result, styled; to standard error where it is somebody else's.
    func line(_ text: StyledText, to stream: Stream = .output) {
        sink(text.rendered(colors: kind.showsColors) + "\n", stream)
    }

    /// A line beside the result: progress, advice.
    func note(_ text: String) {
        sink(StyledText.harmless(text) + "\n", .error)
    }

    /// A styled line beside the result.
    func note(_ text: StyledText) {
        line(text, to: .error)
    }

    /// The line of a failure.
    func failure(_ text: String) {
        let flat = text.split(whereSeparator: \.isNewline).joined(separator: "; ")
        sink(
            StyledText("muster: ", .loud).rendered(colors: kind.showsColors) + StyledText.harmless(flat) + "\n",
            .error
        )
    }

    /// Text that is already as it should be, such as help: nothing in it may be anybody else's.
    func raw(_ text: String, _ stream: Stream) {
        sink(text.hasSuffix("\n") ? text : text + "\n", stream)
    }

    /// A JSON document as the result.
    func json(_ value: JSONValue) {
        sink(value.prettyText, .output)
    }

    /// One JSON document a line, for what goes on.
    func jsonLine(_ value: JSONValue) {
        sink(value.lineText + "\n", .output)
    }

    // MARK: - Redrawing

    /// Replaces the lines drawn before by these; only on a screen.
    func draw(_ lines: [StyledText]) {
        let before = drawn.withLock { count in
            defer { count = lines.count }
            return count
        }
        var text = before > 0 ? "\u{1B}[\(before)A\r\u{1B}[J" : ""
        for line in lines { text += line.rendered(colors: kind.showsColors) + "\n" }
        sink(text, .output)
    }

    /// Leaves what was drawn last where it is.
    func endDrawing() {
        drawn.withLock { $0 = 0 }
    }
}
