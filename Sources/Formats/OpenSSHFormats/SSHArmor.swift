import ByteCoding

/// Base64 between `-----BEGIN label-----` and `-----END label-----`, each line of one length.
struct SSHArmor {
    let label: String
    let columns: Int

    /// The bytes between the two lines; strict: exactly what `encode` writes.
    func decode(_ text: [UInt8], _ subject: String, _ limit: Int) throws(SSHFormatError) -> [UInt8] {
        guard text.count <= limit else { throw SSHFormatError(subject, "is longer than \(limit) bytes") }
        let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
        guard lines.count >= 4, lines[0].elementsEqual(begin.utf8), lines[lines.count - 2].elementsEqual(end.utf8)
        else {
            throw SSHFormatError(subject, "does not stand between '\(begin)' and '\(end)'")
        }
        let digits = String(decoding: lines[1..<(lines.count - 2)].joined(), as: UTF8.self)
        guard let blob = Base64.decode(digits), encode(blob) == text else {
            throw SSHFormatError(subject, "is not base64 in lines of \(columns) characters")
        }
        return blob
    }

    func encode(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array(Base64.encode(bytes).utf8)
        var text = Array((begin + "\n").utf8)
        for start in stride(from: 0, to: digits.count, by: columns) {
            text += digits[start..<min(start + columns, digits.count)]
            text.append(0x0A)
        }
        return text + Array((end + "\n").utf8)
    }

    private var begin: String { "-----BEGIN \(label)-----" }
    private var end: String { "-----END \(label)-----" }
}
