import ByteCoding
import MusterAPI
import MusterModel

/// How runs are put into words: the same for whoever asks, approves and looks back, always from the body that is signed.
struct RunWords: Sendable {
    /// Up to so many nodes are listed with their ids.
    private static let listed = 8

    /// What of it is shown, word by word.
    private struct Words {
        let argv: [String]
        let directory: String
        let timeoutSeconds: Int64
        let outputBytes: Int64
        let environment: [String: String]
        let input: String?
    }

    let body: RunBody
    /// The names of nodes, as the register has them.
    let names: [NodeID: String]
    /// Nodes whose names meant others before: their ids are always shown.
    private let changed: Set<NodeID>
    private let words: Words
    /// The arguments by themselves, where they are not in their places.
    private let arguments: [ParameterName: [String]]

    /// A run whose definition is the trusted policy's: the command with its arguments in their places.
    init(_ body: RunBody, names: [NodeID: String], changed: Set<NodeID> = []) throws {
        let resolved = try Self.resolve(body)
        self.body = body
        self.names = names
        self.changed = changed
        arguments = [:]
        words = Words(
            argv: resolved.argv,
            directory: resolved.directory,
            timeoutSeconds: resolved.timeoutSeconds,
            outputBytes: resolved.outputBytes,
            environment: resolved.environment.mapValues(\.shown),
            input: resolved.input?.shown
        )
    }

    /// A run whose definition nobody vouches for: the command and its arguments as they stand there.
    ///
    /// Its patterns are not tried: one that takes all memory would end whoever only looks.
    init(asItStands body: RunBody, names: [NodeID: String]) {
        let definition = body.definition
        self.body = body
        self.names = names
        changed = []
        arguments = body.arguments
        words = Words(
            argv: definition.argv,
            directory: definition.directory,
            timeoutSeconds: definition.timeoutSeconds,
            outputBytes: definition.outputBytes,
            environment: definition.environment.merging(body.environment) { $1 },
            input: definition.input
        )
    }

    /// What would run; a failure that says why these arguments do not fit the command.
    static func resolve(_ body: RunBody) throws -> ResolvedCommand {
        do {
            return try body.resolve()
        } catch {
            throw CommandFailure.refused("'\(body.command)' cannot be run so: \(error)")
        }
    }

    /// What runs, where, as whom, from when until when.
    func lines(expires: UTCTime, now: UTCTime) -> [StyledText] {
        var lines = [
            StyledText("\(body.command)", .bold) + StyledText(" as ") + StyledText(body.definition.user.text, .bold)
                + StyledText(" on \(Self.count(body.nodes.count, "node")): \(places)")
        ]
        lines.append(StyledText("  " + words.argv.map(Self.quoted).joined(separator: " "), .bold))
        for (name, values) in arguments.sorted(by: { $0.key < $1.key }) {
            lines.append(StyledText("  {\(name)}: \(values.map(Self.quoted).joined(separator: " "))"))
        }
        if let text = body.definition.text { lines.append(StyledText("  \(text)", .faint)) }
        lines.append(
            StyledText(
                "  in \(Self.quoted(words.directory)), for at most \(Moments.span(Int(words.timeoutSeconds))), "
                    + "with at most \(Moments.size(words.outputBytes)) of output"
            )
        )
        for (name, value) in words.environment.sorted(by: { $0.key < $1.key }) {
            lines.append(StyledText("  with \(name)=\(Self.quoted(value))"))
        }
        if let input = words.input { lines.append(StyledText("  reads: \(Self.escaped(input))")) }
        if body.ssh != nil { lines.append(StyledText("  over SSH, from the machine of whoever asks", .warning)) }
        if let selector = body.selector { lines.append(StyledText("  selected by: \(selector)", .faint)) }
        lines += time(expires, now) + ids
        if let spread { lines.append(StyledText("  \(spread)")) }
        if let reason = body.reason { lines.append(StyledText("  reason: \(reason)")) }
        return lines
    }

    private var places: String { NodeNames.folded(body.nodes.map { names[$0] ?? $0.text }) }

    /// The ids are what is signed; names are the register's word.
    private var ids: [StyledText] {
        let told = body.nodes.count <= Self.listed ? body.nodes : body.nodes.filter { changed.contains($0) }
        let named = told.filter { names[$0] != nil && names[$0] != $0.text }
        return named.isEmpty
            ? [] : [StyledText("  ids: " + named.map { "\(names[$0] ?? "") is \($0)" }.joined(separator: ", "), .faint)]
    }

    private func time(_ expires: UTCTime, _ now: UTCTime) -> [StyledText] {
        let until = "until \(expires.wholeSeconds)"
        guard let begin = body.notBefore else {
            return [StyledText("  starts at once, on nodes that are back \(until)")]
        }
        let left = begin > now ? " (in \(Moments.span(Int(clamping: begin.seconds - now.seconds))))" : ""
        return [StyledText("  starts at \(begin)\(left), on nodes that are back \(until)")]
    }

    private var spread: String? {
        var parts: [String] = []
        if body.fanOut.concurrency > 0 { parts.append("at most \(body.fanOut.concurrency) at once") }
        if body.fanOut.batch > 0 { parts.append("in batches of \(body.fanOut.batch)") }
        if let failures = body.fanOut.maximumFailures { parts.append("stops after \(failures + 1) failed") }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    // MARK: - Words

    /// A word as a shell would have to be given it, so that nobody mistakes one word for two.
    static func quoted(_ word: String) -> String { quoted(word, as: VisibleText.legible(word)) }

    /// The same with everything beyond ASCII written out.
    static func quotedInASCII(_ word: String) -> String { quoted(word, as: VisibleText.ascii(word)) }

    private static func quoted(_ word: String, as shown: String) -> String {
        let plain =
            !word.isEmpty
            && word.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || "-_./:=@%+,^".utf8.contains(byte)
            }
        if plain { return word }
        var quoted = "'"
        // By scalars: a quote with a mark on it is another character than a quote, and ends the word all the same.
        for scalar in shown.unicodeScalars {
            if scalar == "'" { quoted += "'\\''" } else { quoted.unicodeScalars.append(scalar) }
        }
        return quoted + "'"
    }

    /// Text on one line, its newlines and tabs written as in C.
    ///
    /// What `isWritten` says stands as `\u{…}`.
    static func escaped(
        _ text: String,
        where isWritten: (Unicode.Scalar) -> Bool = VisibleText.isHidden
    ) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\t": escaped += "\\t"
            case _ where isWritten(scalar): escaped += VisibleText.escape(scalar)
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// `1 node`, `3 nodes`.
    static func count(_ number: Int, _ thing: String) -> String { number == 1 ? "1 \(thing)" : "\(number) \(thing)s" }

    /// A run's state in its style, with its reason.
    static func state(_ record: RunRecord) -> StyledText {
        let style: StyledText.Style =
            switch record.state {
            case .succeeded: .good
            case .failed, .halted: .loud
            case .waiting, .denied, .cancelled, .expired, .stopping: .warning
            case .scheduled, .running: .plain
            }
        let why = record.state == .waiting && !record.missing.isEmpty ? record.missing : record.reason
        return StyledText(record.state.rawValue, style) + StyledText(why.isEmpty ? "" : ": \(why)")
    }

    /// How a node's part ended, or how far it is: `exited with status 1`, `refused: …`.
    static func outcome(_ node: RunRecord.Node) -> String {
        if let result = node.result, [.succeeded, .failed, .cancelled].contains(node.state) {
            return result.endingText + (result.note.isEmpty ? "" : " (\(result.note))")
        }
        let state = node.state == .notStarted ? "could not be started" : node.state.rawValue
        return node.reason.isEmpty ? state : "\(state): \(node.reason)"
    }

    static func style(_ state: RunRecord.NodeState) -> StyledText.Style {
        switch state {
        case .succeeded: .good
        case .failed, .lost, .refused, .notStarted: .loud
        case .cancelled, .expired: .warning
        case .waiting, .assigned, .started: .plain
        }
    }
}
