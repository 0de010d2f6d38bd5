/// One value of a document: where its text is, and where the next value begins.
///
/// The tokens of a document are one flat list: a container is followed by its contents (a key and a value for each
/// member of an object), so nothing is allocated for a value that nobody asks for.
struct JSONToken {
    enum Kind: UInt8 {
        case null
        case bool
        case integer
        case string
        case array
        case object
    }

    /// Offset of the first byte of the text, quote or brace included.
    var start: UInt32
    /// Offset after the last byte.
    var end: UInt32
    /// Index of the first token behind this value and everything in it.
    var next: UInt32
    /// Number of elements or members.
    var count: UInt32 = 0
    let kind: Kind
    /// Whether the text is exactly its own canonical form.
    var isCanonical = true
    /// For a string, that it contains an escape; for an object, that its keys are not in canonical order.
    var needsWork = false
}
