import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel

/// What is seen of a run while it goes on: output with the nodes' names in front, and what changes.
///
/// Output goes to standard output, a process's errors to standard error; so does whatever is said about the run.
actor RunDisplay {
    /// How output is shown.
    enum Format: Sendable, Hashable {
        /// As it comes; the summary says whose was the same where `comparing`.
        case lines(comparing: Bool)
        /// At the end, that of nodes with the same output once.
        case folded
        /// One JSON object a line.
        case json
    }

    nonisolated let format: Format
    private let terminal: Terminal
    private let names: [NodeID: String]
    private let width: Int
    private var lines: [Source: OutputLines] = [:]
    private var fingerprints: [NodeID: OutputFingerprint] = [:]
    private var states: [NodeID: RunRecord.NodeState] = [:]
    private var state: RunRecord.State?
    private var missing = ""

    private struct Source: Hashable {
        let node: NodeID
        let stream: RunStream
    }

    init(_ format: Format, nodes: [NodeID], names: [NodeID: String], terminal: Terminal) {
        self.format = format
        self.names = names
        self.terminal = terminal
        width = min(32, nodes.map { (names[$0] ?? $0.text).count }.max() ?? 0)
    }

    /// How the output of each node went that wrote any.
    var outputs: [NodeID: OutputFingerprint] { fingerprints }

    // MARK: - Output

    /// Shows what a node wrote.
    func show(_ piece: RunUpdate.Piece, of node: NodeID) {
        fingerprints[node, default: OutputFingerprint()].add(piece)
        guard format != .folded else { return }
        let source = Source(node: node, stream: piece.stream)
        for line in lines[source, default: OutputLines()].add(piece.data) {
            show(line, source, milliseconds: piece.milliseconds)
        }
    }

    /// Shows lines that were never finished.
    private func finish(_ node: NodeID) {
        for stream in RunStream.allCases {
            let source = Source(node: node, stream: stream)
            if let line = lines[source]?.finish() { show(line, source, milliseconds: nil) }
        }
    }

    private func show(_ line: OutputLines.Line, _ source: Source, milliseconds: Int64?) {
        guard format != .json else { return terminal.jsonLine(json(line, source, milliseconds)) }
        let name = names[source.node] ?? source.node.text
        let padding = terminal.kind.isScreen ? String(repeating: " ", count: max(0, width - name.count)) : ""
        for text in line.shown {
            let prefix = StyledText(name, source.stream == .output ? .good : .warning) + StyledText(": " + padding)
            terminal.line(prefix + StyledText(text), to: source.stream == .output ? .output : .error)
        }
    }

    private func json(_ line: OutputLines.Line, _ source: Source, _ milliseconds: Int64?) -> JSONValue {
        var object: JSONObject = [
            "type": "output", "node": JSONValue(source.node), "name": .string(names[source.node] ?? source.node.text),
            "stream": .string(source.stream.rawValue),
        ]
        if let milliseconds { object["milliseconds"] = .integer(milliseconds) }
        if let text = String(validating: line.bytes, as: UTF8.self) {
            object["text"] = .string(text)
        } else {
            object["data"] = .string(Base64.encode(line.bytes))
        }
        if !line.isWhole { object["partial"] = true }
        return .object(object)
    }

    // MARK: - Changes

    /// Shows what is new in a run's record.
    func show(_ record: RunRecord) {
        if state != record.state || missing != record.missing {
            state = record.state
            missing = record.missing
            announce(record)
        }
        for node in record.nodes where states[node.id] != node.state {
            let isFirst = states[node.id] == nil && node.state == .waiting
            states[node.id] = node.state
            if !isFirst { announce(node) }
        }
        if format == .folded, terminal.kind.isScreen { terminal.draw([Self.progress(record)]) }
    }

    /// Shows what came of a node that this program itself reached.
    func show(_ update: RunUpdate) {
        guard let node = update.node else { return }
        for piece in update.output { show(piece, of: node) }
        if update.state.isFinal { finish(node) }
    }

    /// Shows the unfinished lines of every node: nothing more comes.
    func finish() {
        for node in Set(lines.keys.map(\.node)).sorted() { finish(node) }
        if format == .folded, terminal.kind.isScreen { terminal.draw([]) }
        terminal.endDrawing()
    }

    private func announce(_ record: RunRecord) {
        if format == .json {
            terminal.jsonLine(
                [
                    "type": "state", "run": JSONValue(record.id), "state": .string(record.state.rawValue),
                    "reason": .string(record.reason), "missing": .string(record.missing),
                ]
            )
            return
        }
        // The end is for the summary to say.
        guard !record.state.isFinal, record.state != .running else { return }
        terminal.note(StyledText("run \(record.id.text.prefix(8)): ") + RunWords.state(record))
        if record.state == .waiting { terminal.note("they run: muster run approve \(record.id.text.prefix(8))") }
    }

    private func announce(_ node: RunRecord.Node) {
        if node.state.isFinal { finish(node.id) }
        if format == .json {
            var object: JSONObject = [
                "type": "node", "node": JSONValue(node.id), "name": .string(node.name),
                "state": .string(node.state.rawValue), "reason": .string(node.reason),
            ]
            if let result = node.result { object["result"] = result.json }
            terminal.jsonLine(.object(object))
        } else if node.state.isFinal, node.state != .succeeded, format != .folded {
            terminal.note(StyledText("\(node.name): ") + StyledText(RunWords.outcome(node), RunWords.style(node.state)))
        }
    }

    private static func progress(_ record: RunRecord) -> StyledText {
        let ended = record.counts.reduce(0) { $0 + ($1.key.isFinal ? $1.value : 0) }
        let total = record.counts.reduce(0) { $0 + $1.value }
        let failed = ended - (record.counts[.succeeded] ?? 0)
        return StyledText("run \(record.id.text.prefix(8)): ") + RunWords.state(record)
            + StyledText(", \(ended) of \(total) ended") + StyledText(failed > 0 ? ", \(failed) not well" : "", .loud)
    }
}
