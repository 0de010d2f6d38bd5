import ByteCoding

/// One header of an rpm file: tagged values.
///
/// ```
/// 8E AD E8 01 | 4 reserved bytes | u32 entries | u32 bytes of store
/// entries: u32 tag | u32 type | u32 offset into the store | u32 count
/// store
/// ```
/// As strict as rpm's own reading where it verifies: entries lie one behind the other in the store, aligned for their type, and
/// the region, which is the first entry, covers all of them. Stricter: no tag occurs twice.
public struct RPMHeader: Equatable, Sendable {
    /// Which of a file's two headers it is.
    public enum Kind: Sendable {
        /// Signatures and digests of the other one.
        case signature
        /// What the package is.
        case main

        var location: String { self == .main ? "header" : "signature header" }
        var region: UInt32 { self == .main ? 63 : 62 }
        var entryLimit: UInt32 { self == .main ? 4096 : 256 }
        var storeLimit: UInt32 { self == .main ? 64 << 20 : 16 << 20 }
    }

    struct Entry: Equatable, Sendable {
        let type: UInt32
        let count: Int
        let range: Range<Int>
    }

    private let kind: Kind
    private let entries: [UInt32: Entry]
    private let store: ArraySlice<UInt8>

    /// The length of a header that begins with these 16 bytes, refused where it is more than any package has.
    public static func length(_ intro: ArraySlice<UInt8>, _ kind: Kind) throws(RPMPackageError) -> Int {
        let sizes = try sizes(intro, kind)
        return RPMLayout.introLength + 16 * sizes.entries + sizes.store
    }

    /// Reads exactly the bytes of one header.
    public init(parsing bytes: ArraySlice<UInt8>, _ kind: Kind) throws(RPMPackageError) {
        let sizes = try Self.sizes(bytes.prefix(RPMLayout.introLength), kind)
        guard bytes.count == RPMLayout.introLength + 16 * sizes.entries + sizes.store else {
            throw RPMPackageError(location: kind.location, reason: "has another length than it says")
        }
        self.kind = kind
        store = bytes.suffix(sizes.store)
        var reader = RPMEntryReader(kind: kind, store: store, count: sizes.entries)
        entries = try reader.read(bytes.dropFirst(RPMLayout.introLength).prefix(16 * sizes.entries))
    }

    private static func sizes(
        _ intro: ArraySlice<UInt8>,
        _ kind: Kind
    ) throws(RPMPackageError) -> (entries: Int, store: Int) {
        guard intro.count == RPMLayout.introLength else {
            throw RPMPackageError(location: kind.location, reason: "ends too early")
        }
        guard intro.starts(with: [0x8E, 0xAD, 0xE8, 1]), intro.dropFirst(4).prefix(4).allSatisfy({ $0 == 0 }) else {
            throw RPMPackageError(location: kind.location, reason: "does not begin as a header does")
        }
        let (entries, bytes) = (word(intro, 8), word(intro, 12))
        guard (1...kind.entryLimit).contains(entries) else {
            throw RPMPackageError(
                location: kind.location,
                reason: "\(entries) entries are not within 1 to \(kind.entryLimit)"
            )
        }
        guard bytes <= kind.storeLimit else {
            throw RPMPackageError(location: kind.location, reason: "\(bytes) bytes are more than \(kind.storeLimit)")
        }
        return (Int(entries), Int(bytes))
    }

    static func word(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> UInt32 {
        bytes.dropFirst(offset).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }
}

extension RPMHeader {
    /// Whether the tag is there.
    public func has(_ tag: UInt32) -> Bool { entries[tag] != nil }

    /// A text that must be there; the first one of an array.
    public func text(_ tag: UInt32, limit: Int) throws(RPMPackageError) -> String {
        guard let entry = entries[tag] else { throw error(tag, "is missing") }
        guard [6, 8, 9].contains(entry.type) else { throw error(tag, "is not a text") }
        let bytes = content(entry).prefix { $0 != 0 }
        guard bytes.count <= limit else { throw error(tag, "is longer than \(limit) bytes") }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw error(tag, "is not UTF-8") }
        return text
    }

    /// As `text`, but nil where the tag is missing.
    public func optionalText(_ tag: UInt32, limit: Int) throws(RPMPackageError) -> String? {
        has(tag) ? try text(tag, limit: limit) : nil
    }

    /// One 32-bit number; nil where the tag is missing.
    public func number(_ tag: UInt32) throws(RPMPackageError) -> UInt32? {
        guard let entry = entries[tag] else { return nil }
        guard entry.type == 4, entry.count == 1 else { throw error(tag, "is not one 32-bit number") }
        return Self.word(content(entry), 0)
    }

    private func content(_ entry: Entry) -> ArraySlice<UInt8> {
        store[(store.startIndex + entry.range.lowerBound)..<(store.startIndex + entry.range.upperBound)]
    }

    private func error(_ tag: UInt32, _ reason: String) -> RPMPackageError {
        RPMPackageError(location: "tag \(tag) of the \(kind.location)", reason: reason)
    }
}
