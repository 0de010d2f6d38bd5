/// An account on a node, as sshd names it: also the principal of a certificate.
///
/// Without commas, spaces and control characters, which mean something in certificates, log lines or sshd's files, and
/// never `*`, which a reader could take for any account.
public struct AccountName: CheckedName {
    /// What it looks like.
    public static let form = "1 to 64 of letters, digits, ., _, @, + and -, beginning with a letter, a digit or _"
    /// The name itself.
    public let text: String

    /// The name, or nil where `text` does not have the form.
    public init?(_ text: String) {
        func isWordByte(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard let first = text.utf8.first, isWordByte(first), text.utf8.count <= 64,
            text.utf8.allSatisfy({ isWordByte($0) || ".@+-".utf8.contains($0) })
        else { return nil }
        self.text = text
    }
}
