/// The version of a tarball, ordered as Semantic Versioning 2.0.0 orders it, for any number of dotted parts.
///
/// ```
/// 2.45.0   1.0.0-rc.1   20260101   1.2.3.4+build7
/// ```
/// A digit first, then letters, digits and `.`, `-`, `+`, `~`, `_`. What follows the first hyphen is a pre-release, older than
/// the version without it. What follows a plus is a build: it decides only where all else is equal.
public struct TarballVersion: Sendable, CustomStringConvertible {
    /// Most bytes of a version's text.
    public static let byteLimit = 128

    /// The version exactly as it was written.
    public let text: String
    private let core: [Substring]
    private let preRelease: [Substring]
    private let build: [Substring]

    /// Parses a version; nil unless it has the form above.
    public init?(_ text: String) {
        guard let first = text.utf8.first, Self.isDigit(first), text.utf8.count <= Self.byteLimit,
            text.utf8.allSatisfy({ Self.isDigit($0) || Self.isLetter($0) || ".-+~_".utf8.contains($0) })
        else { return nil }
        self.text = text
        let halves = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        core = Self.fields(parts[0])
        preRelease = parts.count > 1 ? Self.fields(parts[1]) : []
        build = halves.count > 1 ? Self.fields(halves[1]) : []
    }

    /// The version as it was written.
    public var description: String { text }

    private static func fields(_ text: Substring) -> [Substring] {
        text.split(separator: ".", omittingEmptySubsequences: false)
    }

    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
}

extension TarballVersion: Comparable {
    /// Whether neither is newer.
    public static func == (left: TarballVersion, right: TarballVersion) -> Bool { compare(left, right) == 0 }

    /// Whether `left` is the older version.
    public static func < (left: TarballVersion, right: TarballVersion) -> Bool { compare(left, right) < 0 }

    private static func compare(_ left: TarballVersion, _ right: TarballVersion) -> Int {
        let core = compare(left.core, right.core)
        if core != 0 { return core }
        if left.preRelease.isEmpty != right.preRelease.isEmpty { return left.preRelease.isEmpty ? 1 : -1 }
        let preRelease = compare(left.preRelease, right.preRelease)
        return preRelease != 0 ? preRelease : compare(left.build, right.build)
    }

    /// Field by field; where all are equal, more fields are newer.
    private static func compare(_ left: [Substring], _ right: [Substring]) -> Int {
        for (one, two) in zip(left, right) {
            let result = compare(one, two)
            if result != 0 { return result }
        }
        return left.count - right.count
    }

    /// Numbers as numbers, texts by their bytes, a number before a text.
    private static func compare(_ left: Substring, _ right: Substring) -> Int {
        let isNumber = isNumber(left)
        guard isNumber == Self.isNumber(right) else { return isNumber ? -1 : 1 }
        let (one, two) = isNumber ? (stripped(left), stripped(right)) : (Array(left.utf8)[...], Array(right.utf8)[...])
        if isNumber, one.count != two.count { return one.count - two.count }
        if one.elementsEqual(two) { return 0 }
        return one.lexicographicallyPrecedes(two) ? -1 : 1
    }

    private static func isNumber(_ field: Substring) -> Bool { !field.isEmpty && field.utf8.allSatisfy(isDigit) }

    private static func stripped(_ number: Substring) -> ArraySlice<UInt8> {
        Array(number.utf8).drop { $0 == UInt8(ascii: "0") }
    }
}
