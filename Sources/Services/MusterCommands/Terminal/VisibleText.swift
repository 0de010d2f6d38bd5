/// Text of which every byte counts, such as patterns and commands, shown so that no two texts look alike and nothing hides.
///
/// What is not shown as it is stands as `\u{…}`; so does a backslash that would only look like the beginning of that.
enum VisibleText {
    /// The text with everything beyond ASCII written out.
    static func ascii(_ text: String) -> String {
        written(text) { !$0.isASCII }
    }

    /// The text with everything written out that cannot be seen, that looks like a space, or that joins its neighbour.
    static func legible(_ text: String) -> String {
        written(text, where: isHidden)
    }

    /// Whether a scalar beyond ASCII cannot be seen by itself, or looks like a space.
    static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        guard !scalar.isASCII else { return false }
        let properties = scalar.properties
        // A Braille pattern without dots is a symbol that shows nothing.
        if properties.isWhitespace || properties.isDefaultIgnorableCodePoint || scalar == "\u{2800}" { return true }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .nonspacingMark, .enclosingMark,
            .spacingMark, .unassigned, .privateUse, .surrogate:
            return true
        default: return false
        }
    }

    /// A scalar as `\u{3b}`.
    static func escape(_ scalar: Unicode.Scalar) -> String { "\\u{" + String(scalar.value, radix: 16) + "}" }

    private static let opening: [Unicode.Scalar] = ["u", "{"]

    private static func written(_ text: String, where isWritten: (Unicode.Scalar) -> Bool) -> String {
        let scalars = Array(text.unicodeScalars)
        guard scalars.contains(where: { !$0.isASCII || $0 == "\\" }) else { return text }
        var shown = String.UnicodeScalarView()
        for (index, scalar) in scalars.enumerated() {
            let looksWritten = scalar == "\\" && scalars[(index + 1)...].starts(with: opening)
            if looksWritten || isWritten(scalar) {
                shown.append(contentsOf: escape(scalar).unicodeScalars)
            } else {
                shown.append(scalar)
            }
        }
        return String(shown)
    }
}
