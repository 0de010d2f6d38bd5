/// A package's version, `[epoch:]upstream[-revision]`, ordered as dpkg orders it (deb-version(7)).
///
/// Two texts may be the same version: `1.0`, `1.00` and `0:1.0-0` are equal here, as they are for dpkg.
public struct DebianVersion: Sendable, CustomStringConvertible {
    /// Most bytes of a version's text.
    public static let byteLimit = 256

    /// The version exactly as it was written.
    public let text: String
    /// The number before the colon, 0 where there is none.
    public let epoch: Int32
    /// The part that the upstream authors gave.
    public let upstream: String
    /// What follows the last hyphen; empty where there is none.
    public let revision: String

    /// Parses a version; nil unless it has exactly the form of the policy manual, section 5.6.12.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.count <= Self.byteLimit else { return nil }
        var rest = bytes[...]
        var epoch: Int32 = 0
        if let colon = bytes.firstIndex(of: UInt8(ascii: ":")) {
            let digits = bytes[..<colon]
            guard !digits.isEmpty, digits.allSatisfy(Self.isDigit),
                let number = Int32(String(decoding: digits, as: UTF8.self))
            else { return nil }
            epoch = number
            rest = bytes[(colon + 1)...]
        }
        var revision: ArraySlice<UInt8> = []
        if let hyphen = rest.lastIndex(of: UInt8(ascii: "-")) {
            revision = rest[(hyphen + 1)...]
            rest = rest[..<hyphen]
            guard !revision.isEmpty, revision.allSatisfy({ Self.isAlphanumeric($0) || ".+~".utf8.contains($0) }) else {
                return nil
            }
        }
        guard let first = rest.first, Self.isDigit(first),
            rest.allSatisfy({ Self.isAlphanumeric($0) || ".+-~:".utf8.contains($0) })
        else { return nil }
        self.text = text
        self.epoch = epoch
        self.upstream = String(decoding: rest, as: UTF8.self)
        self.revision = String(decoding: revision, as: UTF8.self)
    }

    /// The version as it was written.
    public var description: String { text }

    /// The version without its epoch, as file names carry it.
    public var withoutEpoch: String { revision.isEmpty ? upstream : "\(upstream)-\(revision)" }

    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }

    static func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isLetter(byte) }
}

extension DebianVersion: Comparable {
    /// Whether dpkg takes both for the same version.
    public static func == (left: DebianVersion, right: DebianVersion) -> Bool { compare(left, right) == 0 }

    /// Whether dpkg takes `left` for the older version.
    public static func < (left: DebianVersion, right: DebianVersion) -> Bool { compare(left, right) < 0 }

    private static func compare(_ left: DebianVersion, _ right: DebianVersion) -> Int {
        if left.epoch != right.epoch { return left.epoch < right.epoch ? -1 : 1 }
        let upstream = compare(Array(left.upstream.utf8), Array(right.upstream.utf8))
        return upstream != 0 ? upstream : compare(Array(left.revision.utf8), Array(right.revision.utf8))
    }

    /// Alternates between a run of other characters, compared by `weight`, and a run of digits, compared as a number.
    private static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var left = left[...]
        var right = right[...]
        while !left.isEmpty || !right.isEmpty {
            while !(left.first.map(isDigit) ?? true) || !(right.first.map(isDigit) ?? true) {
                let difference = weight(left.first) - weight(right.first)
                if difference != 0 { return difference }
                left = left.dropFirst()
                right = right.dropFirst()
            }
            let difference = compareNumbers(takeNumber(&left), takeNumber(&right))
            if difference != 0 { return difference }
        }
        return 0
    }

    /// A tilde sorts before the end, the end before letters, letters before everything else.
    private static func weight(_ byte: UInt8?) -> Int {
        guard let byte, !isDigit(byte) else { return 0 }
        if byte == UInt8(ascii: "~") { return -1 }
        return isLetter(byte) ? Int(byte) : Int(byte) + 256
    }

    private static func takeNumber(_ text: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let digits = text.prefix(while: isDigit)
        text = text.dropFirst(digits.count)
        return digits.drop { $0 == UInt8(ascii: "0") }
    }

    private static func compareNumbers(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
        if left.count != right.count { return left.count - right.count }
        if left.elementsEqual(right) { return 0 }
        return left.lexicographicallyPrecedes(right) ? -1 : 1
    }
}
