extension JSONValue {
    /// Deepest nesting that is read.
    public static let maximumDepth = 64

    /// Parses one JSON document of at most `limit` bytes.
    ///
    /// Refuses what canonical JSON cannot hold or what two readers might understand differently: floats, duplicate keys,
    /// lone surrogates, unescaped control characters other than in canonical text, bytes that are not UTF-8, anything
    /// after the document, nesting deeper than `maximumDepth`.
    public static func parse(_ bytes: [UInt8], limit: Int) throws(JSONError) -> JSONValue {
        guard bytes.count <= limit else {
            throw JSONError(location: "", reason: "document of \(bytes.count) bytes is longer than \(limit)")
        }
        do {
            return try bytes.withUnsafeBufferPointer { buffer in
                var parser = JSONParser(buffer)
                return try parser.document()
            }
        } catch let error as JSONError {
            throw error
        } catch {
            throw JSONError(location: "", reason: "\(error)")
        }
    }
}

/// One pass over the bytes of a document.
private struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0
    private var depth = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    mutating func document() throws -> JSONValue {
        skipSpace()
        let value = try self.value()
        skipSpace()
        guard index == bytes.count else { throw error("text after the end of the document") }
        return value
    }

    private mutating func value() throws -> JSONValue {
        switch peek() {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case let byte? where byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
            return try number()
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case nil: throw error("the document ends too early")
        default: throw error("expected a value")
        }
    }

    private mutating func object() throws -> JSONValue {
        let start = index
        try descend()
        var members: [JSONObject.Member] = []
        if !take(UInt8(ascii: "}")) {
            repeat {
                skipSpace()
                guard peek() == UInt8(ascii: "\"") else { throw error("expected a key") }
                let key = try string()
                skipSpace()
                guard take(UInt8(ascii: ":")) else { throw error("expected a colon") }
                skipSpace()
                members.append(JSONObject.member(key, try value()))
                skipSpace()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "}")) else { throw error("expected a comma or a closing brace") }
        }
        depth -= 1
        guard let object = JSONObject(parsed: members) else {
            throw JSONError(location: "byte \(start)", reason: "an object has the same key twice")
        }
        return .object(object)
    }

    private mutating func array() throws -> JSONValue {
        try descend()
        var values: [JSONValue] = []
        if !take(UInt8(ascii: "]")) {
            repeat {
                skipSpace()
                values.append(try value())
                skipSpace()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "]")) else { throw error("expected a comma or a closing bracket") }
        }
        depth -= 1
        return .array(values)
    }

    private mutating func descend() throws {
        depth += 1
        guard depth <= JSONValue.maximumDepth else { throw error("nested deeper than \(JSONValue.maximumDepth)") }
        index += 1
        skipSpace()
    }

    private mutating func number() throws -> JSONValue {
        let start = index
        let negative = take(UInt8(ascii: "-"))
        let digitsStart = index
        var magnitude: UInt64 = 0
        var overflow = false
        while let character = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) {
            let (product, first) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, second) = product.addingReportingOverflow(UInt64(character - UInt8(ascii: "0")))
            overflow = overflow || first || second
            magnitude = sum
            index += 1
        }
        let digits = index - digitsStart
        guard digits > 0 else { throw error("expected a digit") }
        guard digits == 1 || bytes[digitsStart] != UInt8(ascii: "0") else { throw error("a number has a leading zero") }
        if let next = peek(), next == UInt8(ascii: ".") || next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            throw error("a number is not an integer")
        }
        guard !(negative && magnitude == 0 && !overflow) else { throw error("minus zero") }
        if !overflow, negative ? magnitude <= UInt64(Int64.max) + 1 : magnitude <= UInt64(Int64.max) {
            return .integer(negative ? Int64(truncatingIfNeeded: 0 &- magnitude) : Int64(magnitude))
        }
        return .bigInteger(String(decoding: bytes[start..<index], as: UTF8.self))
    }

    private mutating func string() throws -> String {
        index += 1
        let start = index
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") {
                defer { index += 1 }
                return try text(UnsafeBufferPointer(rebasing: bytes[start..<index]), at: start)
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
            index += 1
        }
        throw error("a string does not end")
    }

    private mutating func escapedString(from start: Int) throws -> String {
        var content = Array(bytes[start..<index])
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return try content.withUnsafeBufferPointer { try text($0, at: start) }
            case UInt8(ascii: "\\"):
                index += 1
                try appendEscape(to: &content)
            default:
                content.append(byte)
                index += 1
            }
        }
        throw error("a string does not end")
    }

    private mutating func appendEscape(to content: inout [UInt8]) throws {
        guard let character = peek() else { throw error("a string does not end") }
        index += 1
        switch character {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(character)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw error("a lone surrogate") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("a lone surrogate") }
            content.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
        default: throw error("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let character = peek(), let digit = Character(Unicode.Scalar(character)).hexDigitValue else {
                throw error("expected four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            index += 1
        }
        return code
    }

    private func text(_ content: UnsafeBufferPointer<UInt8>, at start: Int) throws -> String {
        guard let text = String(validating: content, as: UTF8.self) else {
            throw JSONError(location: "byte \(start)", reason: "a string is not UTF-8")
        }
        return text
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
        guard bytes[index...].starts(with: UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        else { throw error("expected a value") }
        index += word.utf8CodeUnitCount
        return value
    }

    private mutating func skipSpace() {
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x0A, 0x0D, 0x09: index += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        index += 1
        return true
    }

    private func peek() -> UInt8? {
        index < bytes.count ? bytes[index] : nil
    }

    private func error(_ reason: String) -> JSONError {
        JSONError(location: "byte \(index)", reason: reason)
    }
}
