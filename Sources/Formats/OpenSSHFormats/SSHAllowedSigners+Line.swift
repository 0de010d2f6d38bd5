import ByteCoding

extension SSHAllowedSigners.Entry {
    /// Parses a line; nil for an empty one and for a comment.
    init?(line: [UInt8]) throws(SSHFormatError) {
        let subject = SSHAllowedSigners.subject
        guard line.count <= SSHAllowedSigners.lineLimit, !line.contains(0),
            let text = String(validating: line, as: UTF8.self)
        else { throw SSHFormatError(subject, "is too long, or no text") }
        var words = SignerWords(text)
        guard let first = words.next(), first.text.utf8.first != UInt8(ascii: "#") || first.isQuoted else { return nil }
        guard let second = words.next() else { throw SSHFormatError(subject, "expected a key after the names") }
        var options = SignerOptions()
        let key: SSHPublicKey
        if SSHKeyKind(rawValue: second.text) != nil {
            key = try SSHPublicKey(line: second.text + " " + words.rest)
        } else {
            options = try SignerOptions(second.text)
            key = try SSHPublicKey(line: words.rest)
        }
        try self.init(
            principals: first.text,
            publicKey: key,
            isAuthority: options.isAuthority,
            namespaces: options.namespaces,
            validAfter: options.validAfter,
            validBefore: options.validBefore
        )
    }

    /// The line as ssh-keygen reads it.
    var line: String {
        var options: [String] = []
        if isAuthority { options.append("cert-authority") }
        if let namespaces { options.append("namespaces=\"\(namespaces)\"") }
        if let validAfter { options.append("valid-after=\"\(SignerTime.text(validAfter))\"") }
        if let validBefore { options.append("valid-before=\"\(SignerTime.text(validBefore))\"") }
        return principals + " " + (options.isEmpty ? "" : options.joined(separator: ",") + " ") + publicKey.line
    }
}

/// Words separated by spaces that are not within quotes.
private struct SignerWords {
    private var bytes: Substring.UTF8View

    init(_ text: String) { bytes = text[...].utf8 }

    /// What is left, without the spaces in front.
    var rest: String { String(bytes.drop(while: Self.isSpace)) ?? "" }

    /// The next word; a word that begins with a quote ends with one, and both are left out.
    mutating func next() -> (text: String, isQuoted: Bool)? {
        bytes = bytes.drop(while: Self.isSpace)
        guard let first = bytes.first else { return nil }
        if first == UInt8(ascii: "\""), let end = bytes.dropFirst().firstIndex(of: first) {
            let word = bytes[..<end].dropFirst()
            bytes = bytes[end...].dropFirst()
            return (String(word) ?? "", true)
        }
        var isQuoted = false
        let word = bytes.prefix { byte in
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            return isQuoted || !Self.isSpace(byte)
        }
        bytes = bytes[word.endIndex...]
        return (String(word) ?? "", false)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
}

/// `cert-authority,namespaces="a,b",valid-after="…",valid-before="…"`.
private struct SignerOptions {
    var isAuthority = false
    var namespaces: String?
    var validAfter: UTCTime?
    var validBefore: UTCTime?

    init() {}

    init(_ text: String) throws(SSHFormatError) {
        let subject = SSHAllowedSigners.subject
        var rest = text[...]
        while !rest.isEmpty {
            let name = rest.prefix { $0 != "=" && $0 != "," }
            rest = rest[name.endIndex...]
            var value: Substring?
            if rest.hasPrefix("=\"") {
                let quoted = rest.dropFirst(2)
                guard let end = quoted.firstIndex(of: "\"") else {
                    throw SSHFormatError(subject, "a quote is not closed")
                }
                value = quoted[..<end]
                rest = quoted[end...].dropFirst()
            }
            guard rest.isEmpty || (rest.hasPrefix(",") && rest.count > 1) else {
                throw SSHFormatError(subject, "'\(name)' is followed by what is no option")
            }
            rest = rest.dropFirst()
            try take(String(name), value.map(String.init))
        }
    }

    private mutating func take(_ name: String, _ value: String?) throws(SSHFormatError) {
        let lower = name.lowercased()
        switch (lower, value) {
        case ("cert-authority", nil) where !isAuthority: isAuthority = true
        case ("namespaces", let value?) where namespaces == nil: namespaces = value
        case ("valid-after", let value?) where validAfter == nil: validAfter = try SignerTime.parse(value)
        case ("valid-before", let value?) where validBefore == nil: validBefore = try SignerTime.parse(value)
        default: throw SSHFormatError(SSHAllowedSigners.subject, "option '\(name)' is not known, or does not fit")
        }
    }
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, then `Z`.
private enum SignerTime {
    static func parse(_ text: String) throws(SSHFormatError) -> UTCTime {
        let digits = Array(text.utf8.dropLast())
        guard text.utf8.last == UInt8(ascii: "Z"), [8, 12, 14].contains(digits.count) else {
            throw SSHFormatError(SSHAllowedSigners.subject, "'\(text)' is not a time like 20270131Z or 20270131235959Z")
        }
        let padded = String(
            decoding: digits + [UInt8](repeating: UInt8(ascii: "0"), count: 14 - digits.count),
            as: UTF8.self
        )
        func part(_ from: Int, _ count: Int) -> Substring { padded.dropFirst(from).prefix(count) }
        let standard = "\(part(0, 4))-\(part(4, 2))-\(part(6, 2))T\(part(8, 2)):\(part(10, 2)):\(part(12, 2))Z"
        guard let time = UTCTime(standard) else {
            throw SSHFormatError(SSHAllowedSigners.subject, "'\(text)' is no time that exists")
        }
        return time
    }

    static func text(_ time: UTCTime) -> String {
        String(
            decoding: time.description.utf8.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) },
            as: UTF8.self
        )
            + "Z"
    }
}
