import ByteCoding

/// RFC 4251's `mpint`, for positive numbers in their one shortest encoding.
enum MultiplePrecisionInteger {
    /// The number's big-endian bytes without a leading zero, at most `limit` of them.
    static func read(_ reader: inout ByteReader, limit: Int) throws(ByteReaderError) -> [UInt8] {
        let at = reader.offset
        let bytes = try reader.string(limit: limit + 1)
        guard let first = bytes.first else { throw ByteReaderError(offset: at, reason: "number is zero") }
        guard first < 0x80 else { throw ByteReaderError(offset: at, reason: "number is negative") }
        guard first == 0 else {
            guard bytes.count <= limit else { throw ByteReaderError(offset: at, reason: "number is too large") }
            return bytes
        }
        guard bytes.count > 1, bytes[1] >= 0x80 else {
            throw ByteReaderError(offset: at, reason: "number has a leading zero")
        }
        return Array(bytes[1...])
    }

    /// Writes a number given by its big-endian bytes; leading zeros are dropped.
    static func write(_ magnitude: [UInt8], to writer: inout ByteWriter) {
        let digits = magnitude.drop { $0 == 0 }
        writer.string((digits.first ?? 0) >= 0x80 ? [0] + digits : Array(digits))
    }

    /// The number's bytes with zeros in front, `count` of them; nil where it does not fit.
    static func padded(_ magnitude: [UInt8], to count: Int) -> [UInt8]? {
        guard magnitude.count <= count else { return nil }
        return [UInt8](repeating: 0, count: count - magnitude.count) + magnitude
    }

    /// How many bits a number without a leading zero has.
    static func bitCount(_ magnitude: [UInt8]) -> Int {
        guard let first = magnitude.first else { return 0 }
        return magnitude.count * 8 - first.leadingZeroBitCount
    }
}
