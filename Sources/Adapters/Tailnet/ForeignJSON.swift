/// Why a document of another program was not understood.
struct ForeignJSONError: Error, Equatable {
    /// Where, and what was wrong.
    let reason: String
}

/// Reads the few members that are wanted out of another program's JSON, and steps over everything else.
///
/// Our own documents are read strictly (`CanonicalJSON`). These are not ours: they carry floats, whole sub-documents that
/// users wrote, and new members with every version. What is stepped over need only be balanced; what is read is bounded,
/// and a member that is read must not be there twice. Nothing is kept of what is not read, however long the document is.
struct ForeignJSON {
    private let bytes: [UInt8]
    private var index = 0
    private var depth = 0
    /// Deepest nesting that is stepped through.
    private static let maximumDepth = 128

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Calls `body` for each member of the object here that is wanted and not null; it must read the value.
    mutating func members(
        _ wanted: Set<String>,
        _ body: (String, inout ForeignJSON) throws(ForeignJSONError) -> Void
    ) throws(ForeignJSONError) {
        var seen: Set<String> = []
        try eachMember { key, json throws(ForeignJSONError) in
            guard wanted.contains(key) else { return try json.skip() }
            guard seen.insert(key).inserted else { throw json.error("the member \(key) is there twice") }
            try body(key, &json)
        }
    }

    /// Calls `body` for each member of the object here that is not null; it must read the value or skip it.
    mutating func eachMember(
        _ body: (String, inout ForeignJSON) throws(ForeignJSONError) -> Void
    ) throws(ForeignJSONError) {
        try open(UInt8(ascii: "{"), "an object")
        if take(UInt8(ascii: "}")) { return close() }
        repeat {
            skipSpace()
            let key = try string(limit: 4096)
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("expected a colon") }
            skipSpace()
            if peek == UInt8(ascii: "n") {
                try skip()
            } else {
                try body(key, &self)
            }
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw error("expected the end of an object") }
        close()
    }

    /// Calls `body` for each of at most `limit` elements of the array here; it must read the element or skip it.
    mutating func elements(
        limit: Int,
        _ body: (inout ForeignJSON) throws(ForeignJSONError) -> Void
    ) throws(ForeignJSONError) {
        try open(UInt8(ascii: "["), "an array")
        if take(UInt8(ascii: "]")) { return close() }
        var count = 0
        repeat {
            count += 1
            guard count <= limit else { throw error("an array has more than \(limit) elements") }
            skipSpace()
            try body(&self)
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw error("expected the end of an array") }
        close()
    }

    /// The text here, at most `limit` bytes; what is no Unicode in it becomes U+FFFD.
    mutating func string(limit: Int) throws(ForeignJSONError) -> String {
        guard take(UInt8(ascii: "\"")) else { throw error("expected a string") }
        var text: [UInt8] = []
        while true {
            guard let byte = next() else { throw error("a string does not end") }
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                text.append(contentsOf: try escaped().utf8)
            } else {
                text.append(byte)
            }
            guard text.count <= limit else { throw error("a string is longer than \(limit) bytes") }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The texts of the array here.
    mutating func strings(limit: Int, each: Int) throws(ForeignJSONError) -> [String] {
        var texts: [String] = []
        try elements(limit: limit) { json throws(ForeignJSONError) in texts.append(try json.string(limit: each)) }
        return texts
    }

    /// The boolean here.
    mutating func bool() throws(ForeignJSONError) -> Bool {
        if takeWord("true") { return true }
        guard takeWord("false") else { throw error("expected a boolean") }
        return false
    }

    /// The number here, as its text: user ids are 64 bits wide, and floats do not matter to us.
    mutating func number() throws(ForeignJSONError) -> String {
        let start = index
        while let byte = peek, Self.isNumeric(byte) { index += 1 }
        guard index > start, index - start <= 64 else { throw error("expected a number") }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    /// Steps over the value here, whatever it is.
    mutating func skip() throws(ForeignJSONError) {
        switch peek {
        case UInt8(ascii: "{"): try eachMember { _, json throws(ForeignJSONError) in try json.skip() }
        case UInt8(ascii: "["): try elements(limit: .max) { json throws(ForeignJSONError) in try json.skip() }
        case UInt8(ascii: "\""): try skipString()
        case let byte? where Self.isNumeric(byte): _ = try number()
        default:
            guard takeWord("true") || takeWord("false") || takeWord("null") else { throw error("expected a value") }
        }
    }

    /// Refuses anything but white space after the document.
    mutating func end() throws(ForeignJSONError) {
        skipSpace()
        guard index == bytes.count else { throw error("text after the end of the document") }
    }

    /// Steps over white space before the document.
    mutating func begin() {
        skipSpace()
    }

    // MARK: - Parts

    private mutating func open(_ byte: UInt8, _ what: String) throws(ForeignJSONError) {
        guard take(byte) else { throw error("expected \(what)") }
        depth += 1
        guard depth <= Self.maximumDepth else { throw error("nested deeper than \(Self.maximumDepth)") }
        skipSpace()
    }

    private mutating func close() {
        depth -= 1
    }

    private mutating func skipString() throws(ForeignJSONError) {
        index += 1
        while let byte = next() {
            if byte == UInt8(ascii: "\"") { return }
            if byte == UInt8(ascii: "\\") { index += 1 }
        }
        throw error("a string does not end")
    }

    private mutating func escaped() throws(ForeignJSONError) -> String {
        guard let byte = next() else { throw error("a string does not end") }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return String(UnicodeScalar(byte))
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return String(try unicode())
        default: throw error("an unknown escape")
        }
    }

    private mutating func unicode() throws(ForeignJSONError) -> UnicodeScalar {
        let code = try hexadecimal()
        if let scalar = UnicodeScalar(code) { return scalar }
        let position = index
        if code < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
            let low = try hexadecimal()
            if (0xDC00..<0xE000).contains(low),
                let scalar = UnicodeScalar(0x10000 + (code - 0xD800) << 10 + (low - 0xDC00))
            {
                return scalar
            }
        }
        index = position
        return "\u{FFFD}"
    }

    private mutating func hexadecimal() throws(ForeignJSONError) -> UInt32 {
        guard index + 4 <= bytes.count,
            bytes[index..<(index + 4)].allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit }),
            let code = UInt32(String(decoding: bytes[index..<(index + 4)], as: UTF8.self), radix: 16)
        else { throw error("expected four hexadecimal digits") }
        index += 4
        return code
    }

    // MARK: - Bytes

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func next() -> UInt8? {
        guard index < bytes.count else { return nil }
        index += 1
        return bytes[index - 1]
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        index += 1
        return true
    }

    private mutating func takeWord(_ word: String) -> Bool {
        guard bytes[index...].starts(with: word.utf8) else { return false }
        index += word.utf8.count
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { index += 1 }
    }

    private static func isNumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private func error(_ reason: String) -> ForeignJSONError {
        ForeignJSONError(reason: "byte \(index): \(reason)")
    }
}
