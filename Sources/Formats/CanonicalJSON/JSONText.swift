/// Reading the text of single tokens, in a buffer whose tokens were found by `JSONScanner`.
enum JSONText {
    /// The bytes between the quotes of a string, still escaped.
    static func content(
        _ token: JSONToken,
        in bytes: UnsafeBufferPointer<UInt8>
    ) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: bytes[(Int(token.start) + 1)..<(Int(token.end) - 1)])
    }

    /// The UTF-8 bytes that a string stands for.
    static func decoded(_ token: JSONToken, in bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        let content = content(token, in: bytes)
        return token.needsWork ? unescaped(content) : Array(content)
    }

    /// The string itself.
    static func string(_ token: JSONToken, in bytes: UnsafeBufferPointer<UInt8>) -> String {
        let content = content(token, in: bytes)
        return token.needsWork
            ? String(decoding: unescaped(content), as: UTF8.self) : String(decoding: content, as: UTF8.self)
    }

    /// Order of two strings by code point: negative, zero or positive.
    static func compare(_ left: JSONToken, _ right: JSONToken, in bytes: UnsafeBufferPointer<UInt8>) -> Int {
        guard !left.needsWork, !right.needsWork else {
            return decoded(left, in: bytes).withUnsafeBufferPointer { first in
                decoded(right, in: bytes).withUnsafeBufferPointer { compare(first, $0) }
            }
        }
        return compare(content(left, in: bytes), content(right, in: bytes))
    }

    /// Order of two byte strings, which for UTF-8 is the order of the code points.
    static func compare(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Int {
        var index = 0
        let common = min(left.count, right.count)
        while index < common {
            if left[index] != right[index] { return Int(left[index]) - Int(right[index]) }
            index += 1
        }
        return left.count - right.count
    }

    /// An integer that fits 64 bits.
    static func integer(_ token: JSONToken, in bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        var index = Int(token.start)
        let isNegative = bytes[index] == UInt8(ascii: "-")
        if isNegative { index += 1 }
        var number: Int64 = 0
        while index < Int(token.end) {
            let digit = Int64(bytes[index] &- UInt8(ascii: "0"))
            let (product, first) = number.multipliedReportingOverflow(by: 10)
            let (sum, second) = product.subtractingReportingOverflow(digit)
            guard !first, !second else { return nil }
            number = sum
            index += 1
        }
        guard isNegative || number != .min else { return nil }
        return isNegative ? number : -number
    }

    /// The number that four hexadecimal digits of either case stand for.
    static func hexadecimal(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> UInt32? {
        var code: UInt32 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): code = code << 4 | UInt32(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): code = code << 4 | UInt32(digit - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): code = code << 4 | UInt32(digit - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return code
    }

    private static func unescaped(_ content: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(content.count)
        var index = 0
        while index < content.count {
            guard content[index] == UInt8(ascii: "\\"), index + 1 < content.count else {
                text.append(content[index])
                index += 1
                continue
            }
            let character = content[index + 1]
            index += 2
            switch character {
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"): appendScalar(of: content, at: &index, to: &text)
            default: text.append(character)
            }
        }
        return text
    }

    /// Appends the scalar whose four digits begin at `index`, with the second half of a surrogate pair.
    private static func appendScalar(
        of content: UnsafeBufferPointer<UInt8>,
        at index: inout Int,
        to text: inout [UInt8]
    ) {
        var code = hexadecimal(content[index..<(index + 4)]) ?? 0
        index += 4
        if (0xD800..<0xDC00).contains(code) {
            let low = hexadecimal(content[(index + 2)..<(index + 6)]) ?? 0
            code = 0x10000 + (code - 0xD800) << 10 + (low & 0x3FF)
            index += 6
        }
        guard let scalar = Unicode.Scalar(code), let units = UTF8.encode(scalar) else { return }
        text.append(contentsOf: units)
    }
}
