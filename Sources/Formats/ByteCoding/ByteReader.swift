/// Why bytes could not be read: what was expected, and where.
public struct ByteReaderError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Offset of the first byte that did not fit, counted from the start of the reader's bytes.
    public let offset: Int
    /// What was wrong, as one lower-case clause.
    public let reason: String

    /// An error at `offset` with `reason`.
    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    /// The value as it is written.
    public var description: String { "\(reason) at byte \(offset)" }
}

/// Reads the big-endian integers and length-prefixed strings of RFC 4251 section 5, never past the end.
///
/// Every length is compared with the bytes that are left and with the caller's limit before anything is copied.
public struct ByteReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private let start: Int
    private var index: Int

    /// A reader of `bytes` from their beginning.
    public init(_ bytes: [UInt8]) {
        self.init(bytes[...])
    }

    /// A reader of a slice from its beginning.
    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        self.start = bytes.startIndex
        self.index = bytes.startIndex
    }

    /// How many bytes were read so far.
    public var offset: Int { index - start }

    /// How many bytes are left.
    public var remaining: Int { bytes.endIndex - index }

    /// One byte.
    public mutating func byte() throws(ByteReaderError) -> UInt8 {
        try take(1, "a byte").first ?? 0
    }

    /// A 32-bit integer.
    public mutating func uint32() throws(ByteReaderError) -> UInt32 {
        try take(4, "a 32-bit integer").reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// A 64-bit integer.
    public mutating func uint64() throws(ByteReaderError) -> UInt64 {
        try take(8, "a 64-bit integer").reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Exactly `count` bytes.
    public mutating func bytes(_ count: Int) throws(ByteReaderError) -> [UInt8] {
        Array(try take(count, "\(count) bytes"))
    }

    /// A `string` of RFC 4251: 32 bits of length, then that many bytes, at most `limit`.
    public mutating func string(limit: Int) throws(ByteReaderError) -> [UInt8] {
        let at = offset
        let count = try uint32()
        guard count <= limit else {
            throw ByteReaderError(offset: at, reason: "string of \(count) bytes is longer than \(limit)")
        }
        return Array(try take(Int(count), "a string of \(count) bytes"))
    }

    /// A `string` that must be UTF-8 text.
    public mutating func text(limit: Int) throws(ByteReaderError) -> String {
        let at = offset
        guard let text = String(validating: try string(limit: limit), as: UTF8.self) else {
            throw ByteReaderError(offset: at, reason: "string is not UTF-8")
        }
        return text
    }

    /// Refuses bytes that are left over.
    public func end() throws(ByteReaderError) {
        guard remaining == 0 else {
            throw ByteReaderError(offset: offset, reason: "\(remaining) bytes too many")
        }
    }

    private mutating func take(_ count: Int, _ what: String) throws(ByteReaderError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else {
            throw ByteReaderError(offset: offset, reason: "expected \(what), found only \(remaining) bytes")
        }
        defer { index += count }
        return bytes[index..<(index + count)]
    }
}

/// Writes what `ByteReader` reads.
public struct ByteWriter: Sendable {
    /// What was written so far.
    public private(set) var bytes: [UInt8] = []

    /// An empty writer.
    public init() {}

    /// An empty writer with room for `capacity` bytes.
    public init(capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    /// Appends one byte.
    public mutating func byte(_ value: UInt8) {
        bytes.append(value)
    }

    /// Appends a 32-bit integer, most significant byte first.
    public mutating func uint32(_ value: UInt32) {
        bytes.append(UInt8(truncatingIfNeeded: value >> 24))
        bytes.append(UInt8(truncatingIfNeeded: value >> 16))
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value))
    }

    /// Appends a 64-bit integer, most significant byte first.
    public mutating func uint64(_ value: UInt64) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// Appends bytes as they are, without a length.
    public mutating func raw(_ value: some Sequence<UInt8>) {
        bytes.append(contentsOf: value)
    }

    /// Appends bytes as they are, without a length.
    public mutating func raw(_ value: [UInt8]) {
        bytes += value
    }

    /// Appends a `string` of RFC 4251: 32 bits of length, then the bytes.
    public mutating func string(_ value: [UInt8]) {
        uint32(UInt32(value.count))
        bytes += value
    }

    /// Appends a `string` of RFC 4251: 32 bits of length, then the bytes.
    public mutating func string(_ value: some Collection<UInt8>) {
        uint32(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    /// Appends the UTF-8 bytes of a text as a `string`.
    public mutating func string(_ value: String) {
        uint32(UInt32(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }
}
