/// Text that is compared by its bytes.
///
/// To `String`, texts of other bytes may be the same text of Unicode: U+037E is `;` there, and no `;` to a matcher, a shell
/// or a node.
struct ExactText: Hashable, Comparable, Sendable {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    /// The text with everything beyond ASCII written out.
    var shown: String { VisibleText.ascii(text) }

    static func == (left: ExactText, right: ExactText) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

    static func < (left: ExactText, right: ExactText) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(Array(text.utf8))
    }
}
