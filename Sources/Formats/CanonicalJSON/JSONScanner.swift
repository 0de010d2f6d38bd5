/// One pass over the bytes of a document that finds its tokens and refuses what `JSONValue.parse` says it refuses.
struct JSONScanner {
    let bytes: UnsafeBufferPointer<UInt8>
    var index = 0
    private var depth = 0
    private var tokens: [JSONToken] = []
    /// How many things were seen that canonical text would not have; a value during which it did not grow is canonical.
    private var blemishes = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        tokens.reserveCapacity(bytes.count / 12 + 16)
    }

    mutating func document() throws -> [JSONToken] {
        skipSpace()
        try value()
        skipSpace()
        guard index == bytes.count else { throw error("text after the end of the document") }
        return tokens
    }

    private mutating func value() throws {
        guard index < bytes.count else { throw error("the document ends too early") }
        switch bytes[index] {
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "{"): try object()
        case UInt8(ascii: "["): try array()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "t"): try literal("true", .bool)
        case UInt8(ascii: "f"): try literal("false", .bool)
        case UInt8(ascii: "n"): try literal("null", .null)
        default: throw error("expected a value")
        }
    }

    // MARK: - Containers

    private mutating func open(_ kind: JSONToken.Kind) throws -> Int {
        depth += 1
        guard depth <= JSONValue.maximumDepth else { throw error("nested deeper than \(JSONValue.maximumDepth)") }
        tokens.append(JSONToken(start: UInt32(index), end: 0, next: 0, kind: kind))
        index += 1
        skipSpace()
        return tokens.count - 1
    }

    private mutating func close(_ token: Int, count: UInt32, isCanonical: Bool) {
        depth -= 1
        tokens[token].end = UInt32(index)
        tokens[token].next = UInt32(tokens.count)
        tokens[token].count = count
        tokens[token].isCanonical = isCanonical
    }

    private mutating func array() throws {
        let before = blemishes
        let token = try open(.array)
        var count: UInt32 = 0
        if !take(UInt8(ascii: "]")) {
            repeat {
                skipSpace()
                try value()
                count += 1
                skipSpace()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "]")) else { throw error("expected a comma or a closing bracket") }
        }
        close(token, count: count, isCanonical: before == blemishes)
    }

    private mutating func object() throws {
        let before = blemishes
        let token = try open(.object)
        var count: UInt32 = 0
        var previous: Int?
        var isSorted = true
        if !take(UInt8(ascii: "}")) {
            repeat {
                skipSpace()
                guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else { throw error("expected a key") }
                let key = tokens.count
                try string()
                if let previous, isSorted { isSorted = try ascending(previous, key) }
                previous = key
                skipSpace()
                guard take(UInt8(ascii: ":")) else { throw error("expected a colon") }
                skipSpace()
                try value()
                count += 1
                skipSpace()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "}")) else { throw error("expected a comma or a closing brace") }
        }
        if !isSorted {
            blemishes += 1
            tokens[token].needsWork = true
            try refuseDuplicates(of: token, count: Int(count))
        }
        close(token, count: count, isCanonical: before == blemishes)
    }

    /// Whether two keys are in canonical order; the same key twice is refused.
    private func ascending(_ left: Int, _ right: Int) throws -> Bool {
        switch compare(left, right) {
        case ..<0: return true
        case 0: throw duplicate(tokens[right])
        default: return false
        }
    }

    private func refuseDuplicates(of object: Int, count: Int) throws {
        var keys: [Int] = []
        keys.reserveCapacity(count)
        var token = object + 1
        for _ in 0..<count {
            keys.append(token)
            token = Int(tokens[token + 1].next)
        }
        keys.sort { compare($0, $1) < 0 }
        for position in 1..<keys.count where compare(keys[position - 1], keys[position]) == 0 {
            throw duplicate(tokens[max(keys[position - 1], keys[position])])
        }
    }

    private func compare(_ left: Int, _ right: Int) -> Int {
        JSONText.compare(tokens[left], tokens[right], in: bytes)
    }

    private func duplicate(_ token: JSONToken) -> JSONError {
        JSONError(location: "byte \(token.start)", reason: "an object has the same key twice")
    }

    // MARK: - Scalars

    private mutating func string() throws {
        let start = index
        var isASCII: UInt8 = 0
        var isEscaped = false
        var isCanonical = true
        index += 1
        while true {
            guard index < bytes.count else { throw error("a string does not end") }
            let byte = bytes[index]
            isASCII |= byte
            index += 1
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                if try !escape() { isCanonical = false }
            }
        }
        if isASCII >= 0x80 {
            let content = UnsafeBufferPointer(rebasing: bytes[(start + 1)..<(index - 1)])
            guard String(validating: content, as: UTF8.self) != nil else {
                throw JSONError(location: "byte \(start)", reason: "a string is not UTF-8")
            }
        }
        if !isCanonical { blemishes += 1 }
        append(.string, from: start, isCanonical: isCanonical, needsWork: isEscaped)
    }

    /// Reads what follows a backslash; whether canonical text would have written it so.
    private mutating func escape() throws -> Bool {
        guard index < bytes.count else { throw error("a string does not end") }
        let character = bytes[index]
        index += 1
        switch character {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return true
        case UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"),
            UInt8(ascii: "t"):
            return false
        case UInt8(ascii: "u"):
            let code = try hexadecimal()
            if (0xD800..<0xE000).contains(code) {
                guard code < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")),
                    (0xDC00..<0xE000).contains(try hexadecimal())
                else { throw error("a lone surrogate") }
            }
            return false
        default: throw error("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard index + 4 <= bytes.count, let code = JSONText.hexadecimal(bytes[index..<(index + 4)]) else {
            throw error("expected four hexadecimal digits")
        }
        index += 4
        return code
    }

    private mutating func number() throws {
        let start = index
        let isNegative = take(UInt8(ascii: "-"))
        let first = index
        while index < bytes.count, bytes[index] &- UInt8(ascii: "0") < 10 { index += 1 }
        guard index > first else { throw error("expected a digit") }
        if bytes[first] == UInt8(ascii: "0") {
            guard index == first + 1 else { throw error("a number has a leading zero") }
            guard !isNegative else { throw error("minus zero") }
        }
        if index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): throw error("a number is not an integer")
            default: break
            }
        }
        append(.integer, from: start)
    }

    private mutating func literal(_ word: StaticString, _ kind: JSONToken.Kind) throws {
        let start = index
        guard bytes[index...].starts(with: UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        else { throw error("expected a value") }
        index += word.utf8CodeUnitCount
        append(kind, from: start)
    }

    private mutating func append(
        _ kind: JSONToken.Kind,
        from start: Int,
        isCanonical: Bool = true,
        needsWork: Bool = false
    ) {
        tokens.append(
            JSONToken(
                start: UInt32(start),
                end: UInt32(index),
                next: UInt32(tokens.count + 1),
                kind: kind,
                isCanonical: isCanonical,
                needsWork: needsWork
            )
        )
    }

    // MARK: - Bytes

    private mutating func skipSpace() {
        guard index < bytes.count, bytes[index] <= 0x20 else { return }
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x0A, 0x0D, 0x09:
                index += 1
                blemishes += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    private func error(_ reason: String) -> JSONError {
        JSONError(location: "byte \(index)", reason: reason)
    }
}
