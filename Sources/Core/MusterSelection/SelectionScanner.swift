/// Cuts the text of a selection into words and signs.
struct SelectionScanner {
    enum Token: Hashable {
        /// `tag:web`, `and`, `10%`
        case word(String)
        /// `"debian 12"`, without its quotes
        case quoted(String)
        /// `(`, `)`, or the sign of a comparison
        case sign(String)
        case end
    }

    struct Place: Hashable {
        let token: Token
        let column: Int
    }

    static func scan(_ text: String) throws(SelectionSyntaxError) -> [Place] {
        guard text.utf8.count <= Selection.byteLimit else {
            throw SelectionSyntaxError(column: 1, "it is longer than \(Selection.byteLimit) bytes")
        }
        var scanner = SelectionScanner(bytes: Array(text.utf8))
        var places: [Place] = []
        while let place = try scanner.next() { places.append(place) }
        return places + [Place(token: .end, column: scanner.position + 1)]
    }

    /// Whether a byte may stand in a word without quotes.
    static func isWordByte(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && !"()=!<>\"".utf8.contains(byte)
    }

    private let bytes: [UInt8]
    private var position = 0

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private mutating func next() throws(SelectionSyntaxError) -> Place? {
        while position < bytes.count, bytes[position] == 0x20 { position += 1 }
        guard position < bytes.count else { return nil }
        let start = position
        let byte = bytes[start]
        guard (0x20...0x7E).contains(byte) else {
            throw SelectionSyntaxError(column: start + 1, "only printable ASCII characters may stand here")
        }
        if byte == UInt8(ascii: "\"") { return Place(token: .quoted(try quoted()), column: start + 1) }
        position += 1
        if Self.isWordByte(byte) {
            while position < bytes.count, Self.isWordByte(bytes[position]) { position += 1 }
            return Place(token: .word(text(start, position)), column: start + 1)
        }
        let isFirstOfTwo = "!<>".utf8.contains(byte)
        if isFirstOfTwo, position < bytes.count, bytes[position] == UInt8(ascii: "=") { position += 1 }
        return Place(token: .sign(text(start, position)), column: start + 1)
    }

    private mutating func quoted() throws(SelectionSyntaxError) -> String {
        let start = position + 1
        guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\"")) else {
            throw SelectionSyntaxError(column: start, "the quotation mark is never closed")
        }
        for index in start..<end where !(0x20...0x7E).contains(bytes[index]) {
            throw SelectionSyntaxError(column: index + 1, "only printable ASCII characters may stand here")
        }
        position = end + 1
        return text(start, end)
    }

    private func text(_ start: Int, _ end: Int) -> String {
        String(decoding: bytes[start..<end], as: UTF8.self)
    }
}

extension SelectionScanner.Token: CustomStringConvertible {
    var description: String {
        switch self {
        case .word(let text), .sign(let text): "'\(text)'"
        case .quoted(let text): "\"\(text)\""
        case .end: "the end"
        }
    }
}
