import ByteCoding

/// `type base64 comment`, the line of a `.pub` file, of a key or of a certificate.
struct SSHKeyLine {
    /// The type, as the line says it.
    let type: String
    /// What the base64 holds.
    let blob: [UInt8]

    /// Parses one line; spaces and the line's end may follow, options in front are refused.
    init(_ line: String, subject: String, limit: Int) throws(SSHFormatError) {
        guard line.utf8.count <= limit else { throw SSHFormatError(subject, "is longer than \(limit) bytes") }
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        var bytes = line.utf8[...]
        while let last = bytes.last, isSpace(last) || last == 0x0A || last == 0x0D { bytes.removeLast() }
        guard !bytes.contains(where: { $0 == 0x0A || $0 == 0x0D || $0 == 0 }) else {
            throw SSHFormatError(subject, "is more than one line")
        }
        let words = bytes.split(maxSplits: 2, whereSeparator: isSpace)
        guard words.count >= 2 else { throw SSHFormatError(subject, "expected a key type, a space and base64") }
        guard let blob = Base64.decode(String(words[1]) ?? "-") else { throw SSHFormatError(subject, "is not base64") }
        type = String(words[0]) ?? "?"
        self.blob = blob
    }
}
