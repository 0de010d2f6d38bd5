import ByteCoding

/// Text whose pieces may stand out on a terminal that shows colours.
///
/// Control characters in the pieces are shown as `?`: what a node or the service says must never steer the terminal.
struct StyledText: Sendable, Hashable, ExpressibleByStringLiteral {
    /// How a piece stands out.
    enum Style: Sendable, Hashable {
        case plain
        case bold
        /// Quiet: there if looked for.
        case faint
        /// Well.
        case good
        /// Worth a look.
        case warning
        /// Needs somebody.
        case loud

        var code: String {
            switch self {
            case .plain: ""
            case .bold: "\u{1B}[1m"
            case .faint: "\u{1B}[2m"
            case .good: "\u{1B}[32m"
            case .warning: "\u{1B}[33m"
            case .loud: "\u{1B}[1;31m"
            }
        }
    }

    private struct Piece: Sendable, Hashable {
        let text: String
        let style: Style
    }

    private var pieces: [Piece]

    init(_ text: String, _ style: Style = .plain) {
        pieces = [Piece(text: Self.harmless(text), style: style)]
    }

    init(stringLiteral text: String) {
        self.init(text)
    }

    static func + (left: StyledText, right: StyledText) -> StyledText {
        var sum = left
        sum.pieces += right.pieces
        return sum
    }

    /// The text without any style.
    var plain: String { pieces.map(\.text).joined() }

    /// Columns that the text takes.
    var width: Int { pieces.reduce(0) { $0 + $1.text.count } }

    /// The text cut to so many columns, so that a line of a picture never wraps.
    func truncated(to columns: Int) -> StyledText {
        guard width > columns else { return self }
        var rest = max(1, columns) - 1
        var cut: StyledText = ""
        for piece in pieces where rest > 0 {
            cut = cut + StyledText(String(piece.text.prefix(rest)), piece.style)
            rest -= piece.text.count
        }
        return cut + "…"
    }

    /// The text with styles where `colors` says so.
    func rendered(colors: Bool) -> String {
        guard colors else { return plain }
        return pieces.map { $0.style == .plain ? $0.text : $0.style.code + $0.text + "\u{1B}[0m" }.joined()
    }

    /// The text with every control character shown as `?`.
    static func harmless(_ text: String) -> String { text.harmless }
}
