/// An rpm's version, `[epoch:]version[-release]`, ordered as rpm orders it (rpm-version(7)).
///
/// No epoch is epoch 0. Two texts may be the same version: `1.0-1`, `1.00-1` and `0:1.0-1` are equal here, as they are for
/// rpm; a version without a release equals all its releases.
public struct RPMVersion: Sendable, CustomStringConvertible {
    /// Most bytes of a version's text.
    public static let byteLimit = 256

    /// The version exactly as it was written.
    public let text: String
    /// The number before the colon, 0 where there is none.
    public let epoch: UInt32
    /// The part that the upstream authors gave.
    public let version: String
    /// What follows the hyphen; empty where there is none.
    public let release: String

    /// Parses a version; nil unless each part holds only letters, digits and `._+~^`.
    public init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= Self.byteLimit else { return nil }
        var rest = Array(text.utf8)[...]
        var epoch: UInt32 = 0
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")) {
            let digits = rest[..<colon]
            guard !digits.isEmpty, digits.allSatisfy(Self.isDigit),
                let number = UInt32(String(decoding: digits, as: UTF8.self))
            else { return nil }
            epoch = number
            rest = rest[(colon + 1)...]
        }
        var release: ArraySlice<UInt8> = []
        if let hyphen = rest.firstIndex(of: UInt8(ascii: "-")) {
            release = rest[(hyphen + 1)...]
            rest = rest[..<hyphen]
            guard Self.isPart(release) else { return nil }
        }
        guard Self.isPart(rest) else { return nil }
        self.text = text
        self.epoch = epoch
        version = String(decoding: rest, as: UTF8.self)
        self.release = String(decoding: release, as: UTF8.self)
    }

    /// The version of these parts, written without epoch 0; nil where a part is not of its form.
    public init?(epoch: UInt32, version: String, release: String) {
        guard Self.isPart(Array(version.utf8)[...]), Self.isPart(Array(release.utf8)[...]) else { return nil }
        self.init((epoch == 0 ? "" : "\(epoch):") + "\(version)-\(release)")
    }

    /// The version as it was written.
    public var description: String { text }

    /// The version without its epoch, as file names carry it.
    public var withoutEpoch: String { release.isEmpty ? version : "\(version)-\(release)" }

    private static func isPart(_ bytes: ArraySlice<UInt8>) -> Bool {
        !bytes.isEmpty && bytes.allSatisfy { isDigit($0) || isLetter($0) || "._+~^".utf8.contains($0) }
    }

    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
}

extension RPMVersion: Comparable {
    /// Whether rpm takes both for the same version.
    public static func == (left: RPMVersion, right: RPMVersion) -> Bool { compare(left, right) == 0 }

    /// Whether rpm takes `left` for the older version.
    public static func < (left: RPMVersion, right: RPMVersion) -> Bool { compare(left, right) < 0 }

    private static func compare(_ left: RPMVersion, _ right: RPMVersion) -> Int {
        if left.epoch != right.epoch { return left.epoch < right.epoch ? -1 : 1 }
        let version = compare(left.version, right.version)
        if version != 0 || left.release.isEmpty || right.release.isEmpty { return version }
        return compare(left.release, right.release)
    }

    /// Compares two parts as rpm's `rpmvercmp`: runs of digits and runs of letters in turn, what is between them only
    /// parts them; a tilde is before the end, a caret after it.
    private static func compare(_ left: String, _ right: String) -> Int {
        var left = Array(left.utf8)[...]
        var right = Array(right.utf8)[...]
        while !left.isEmpty || !right.isEmpty {
            left = left.drop(while: isSeparator)
            right = right.drop(while: isSeparator)
            if let result = compareMark(&left, &right) {
                if result != 0 { return result }
                continue
            }
            guard let first = left.first, let other = right.first else { break }
            let isNumber = isDigit(first)
            // A number is newer than letters.
            guard isNumber == isDigit(other) else { return isNumber ? 1 : -1 }
            let isInRun = isNumber ? isDigit : isLetter
            let (one, two) = (left.prefix(while: isInRun), right.prefix(while: isInRun))
            left = left.dropFirst(one.count)
            right = right.dropFirst(two.count)
            let result = isNumber ? compareNumbers(one, two) : compareTexts(one, two)
            if result != 0 { return result }
        }
        return left.isEmpty ? (right.isEmpty ? 0 : -1) : 1
    }

    /// What a tilde or caret at the beginning decides; 0 where both have it and it was taken, nil where neither has.
    private static func compareMark(_ left: inout ArraySlice<UInt8>, _ right: inout ArraySlice<UInt8>) -> Int? {
        for mark in "~^".utf8 {
            let (has, hasOther) = (left.first == mark, right.first == mark)
            if !has && !hasOther { continue }
            if has && hasOther {
                left = left.dropFirst()
                right = right.dropFirst()
                return 0
            }
            let rest = has ? right : left
            // A caret is newer than the end, and older than anything else; a tilde is older than all.
            let isNewer = mark == UInt8(ascii: "^") && rest.isEmpty
            return has == isNewer ? 1 : -1
        }
        return nil
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        !isDigit(byte) && !isLetter(byte) && byte != UInt8(ascii: "~") && byte != UInt8(ascii: "^")
    }

    private static func compareNumbers(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
        let left = left.drop { $0 == UInt8(ascii: "0") }
        let right = right.drop { $0 == UInt8(ascii: "0") }
        return left.count != right.count ? left.count - right.count : compareTexts(left, right)
    }

    private static func compareTexts(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
        if left.elementsEqual(right) { return 0 }
        return left.lexicographicallyPrecedes(right) ? -1 : 1
    }
}
