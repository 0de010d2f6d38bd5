/// Cuts what one process writes to one stream into lines.
///
/// A line is given out once it is whole, or has become too long to wait for its end.
struct OutputLines: Sendable {
    struct Line: Sendable, Hashable {
        /// The line without its newline.
        let bytes: [UInt8]
        /// Whether a newline followed.
        let isWhole: Bool
    }

    /// Longest line that is kept together, in bytes.
    static let limit = 16_384

    private var rest: [UInt8] = []

    /// The lines that `bytes` completes.
    mutating func add(_ bytes: [UInt8]) -> [Line] {
        var lines: [Line] = []
        for piece in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
            lines += cut(piece)
            lines.append(Line(bytes: rest, isWhole: true))
            rest = []
        }
        let last = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
        return lines + cut(bytes[last...])
    }

    /// What is left at the end of the stream.
    mutating func finish() -> Line? {
        defer { rest = [] }
        return rest.isEmpty ? nil : Line(bytes: rest, isWhole: false)
    }

    /// Appends bytes without newline; gives out what is too long.
    private mutating func cut(_ piece: ArraySlice<UInt8>) -> [Line] {
        var lines: [Line] = []
        var piece = piece
        while rest.count + piece.count > Self.limit {
            let room = Self.limit - rest.count
            lines.append(Line(bytes: rest + piece.prefix(room), isWhole: false))
            rest = []
            piece = piece.dropFirst(room)
        }
        rest += piece
        return lines
    }
}

extension OutputLines.Line {
    /// The line as a terminal may show it: colours taken out, tabs filled up, every other control character shown as `?`.
    ///
    /// A carriage return begins a new line, so that nothing is written over what was there.
    var shown: [String] {
        let text = Self.withoutColors(String(decoding: bytes, as: UTF8.self))
        var lines = text.split(separator: "\r", omittingEmptySubsequences: false)
        while lines.count > 1, lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { StyledText.harmless(Self.withoutTabs($0)) }
    }

    /// Takes out `ESC [ … m`, which only colours.
    private static func withoutColors(_ text: String) -> String {
        guard text.unicodeScalars.contains("\u{1B}") else { return text }
        var kept = String.UnicodeScalarView()
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            if scalar == "\u{1B}", rest.first == "[" {
                let end = rest.dropFirst().firstIndex { !("0"..."9").contains($0) && $0 != ";" && $0 != ":" }
                if let end, rest[end] == "m" {
                    rest = rest[rest.index(after: end)...]
                    continue
                }
            }
            kept.append(scalar)
        }
        return String(kept)
    }

    private static func withoutTabs(_ text: Substring) -> String {
        guard text.utf8.contains(0x09) else { return String(text) }
        var filled = ""
        var column = 0
        for character in text {
            let width = character == "\t" ? 8 - column % 8 : 1
            filled += character == "\t" ? String(repeating: " ", count: width) : String(character)
            column += width
        }
        return filled
    }
}
