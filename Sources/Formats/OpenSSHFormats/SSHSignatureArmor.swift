import ByteCoding

extension SSHSignature {
    private static let begin = "-----BEGIN SSH SIGNATURE-----"
    private static let end = "-----END SSH SIGNATURE-----"
    /// Columns of base64 that ssh-keygen writes on a line.
    private static let columns = 70

    /// Parses the text that `ssh-keygen -Y sign` writes.
    ///
    /// Lines may be of any length (others wrap elsewhere than ssh-keygen); nothing may stand before or after.
    public init(armored text: String) throws(SSHFormatError) {
        let subject = "armored SSHSIG signature"
        guard text.utf8.count <= 2 * Self.byteLimit else {
            throw SSHFormatError(subject, "is longer than \(2 * Self.byteLimit) bytes")
        }
        var lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { String($0) ?? "" }
        if lines.last == "" { lines.removeLast() }
        guard lines.count >= 3, lines[0] == Self.begin, lines[lines.count - 1] == Self.end else {
            throw SSHFormatError(subject, "does not stand between '\(Self.begin)' and '\(Self.end)'")
        }
        guard let blob = Base64.decode(lines[1..<(lines.count - 1)].joined()) else {
            throw SSHFormatError(subject, "is not base64")
        }
        try self.init(blob: blob)
    }

    /// The text that `ssh-keygen -Y verify` reads.
    public var armored: String {
        let digits = Array(Base64.encode(blob).utf8)
        var text = Self.begin + "\n"
        for start in stride(from: 0, to: digits.count, by: Self.columns) {
            let line = digits[start..<min(start + Self.columns, digits.count)]
            text += String(decoding: line, as: UTF8.self) + "\n"
        }
        return text + Self.end + "\n"
    }
}
