/// What stands before each package in a set: a header of tar, in the one spelling that is read.
///
/// A set (`NAME.debs`) is several packages that are installed by one run of the package manager, because none of them can be
/// configured without the others: the server, client and SFTP server of OpenSSH ask for each other's exact version.
/// ```
/// header (512 bytes) | package | zeros to a multiple of 512      2 to 16 times; the first is what the set is called by
/// 1024 zeros
/// ```
/// `tar` lists and unpacks it. Whoever, when and with which rights is always the same, so the same packages in the same order
/// are the same bytes.
public struct PackageSetHeader: Hashable, Sendable {
    /// Bytes of a header, and what every member is filled up to.
    public static let size = 512
    /// Bytes at the end.
    public static let end = [UInt8](repeating: 0, count: 2 * size)
    /// How many packages a set has.
    public static let counts = 2...16

    /// The file name of the package.
    public let name: String
    /// Its length in bytes.
    public let length: Int64

    /// The header of a package; nil where its name or length cannot be written.
    public init?(name: String, length: Int64) {
        guard Self.isName(name), (1..<(1 << 33)).contains(length) else { return nil }
        self.name = name
        self.length = length
    }

    /// Reads a header; nil for anything but what `bytes` writes.
    public init?(parsing header: [UInt8]) {
        guard header.count == Self.size else { return nil }
        let name = String(decoding: header[..<100].prefix { $0 != 0 }, as: UTF8.self)
        let digits = String(decoding: header[124..<135], as: UTF8.self)
        guard let length = Int64(digits, radix: 8), let parsed = Self(name: name, length: length),
            parsed.bytes == header
        else { return nil }
        self = parsed
    }

    /// The zeros between the package's end and the next header.
    public var padding: Int { Int((Int64(Self.size) - length % Int64(Self.size)) % Int64(Self.size)) }

    /// The header as it is written.
    public var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        func put(_ text: String, _ offset: Int) {
            bytes.replaceSubrange(offset..<(offset + text.utf8.count), with: text.utf8)
        }
        put(name, 0)
        put("0000644", 100)
        put("0000000", 108)
        put("0000000", 116)
        put(Self.octal(length, 11), 124)
        put("00000000000", 136)
        put("        ", 148)
        put("0", 156)
        put("ustar", 257)
        put("00", 263)
        let sum = bytes.reduce(0) { $0 + Int64($1) }
        put(Self.octal(sum, 6) + "\0 ", 148)
        return bytes
    }

    /// Whether a file that begins so is meant as a set.
    public static func begins(_ bytes: [UInt8]) -> Bool {
        bytes.count >= size && bytes[257..<263].elementsEqual("ustar\0".utf8)
    }

    private static func octal(_ value: Int64, _ count: Int) -> String {
        let digits = String(value, radix: 8)
        return String(repeating: "0", count: max(0, count - digits.utf8.count)) + digits
    }

    /// A plain file name: what packages' names, versions and architectures are made of.
    private static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (6...99).contains(bytes.count), text.hasSuffix(".deb"), bytes[0] != UInt8(ascii: ".") else {
            return false
        }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "+-._~%".utf8.contains(byte)
            }
        }
    }
}
