/// Takes the entries of a header one by one, checking each against the store and those before it.
struct RPMEntryReader {
    let kind: RPMHeader.Kind
    let store: ArraySlice<UInt8>
    let count: Int
    private var end = 0
    private var entries: [UInt32: RPMHeader.Entry] = [:]

    init(kind: RPMHeader.Kind, store: ArraySlice<UInt8>, count: Int) {
        self.kind = kind
        self.store = store
        self.count = count
    }

    mutating func read(_ index: ArraySlice<UInt8>) throws(RPMPackageError) -> [UInt32: RPMHeader.Entry] {
        for number in 0..<count {
            let entry = index.dropFirst(16 * number).prefix(16)
            let tag = RPMHeader.word(entry, 0)
            let type = RPMHeader.word(entry, 4)
            let offset = RPMHeader.word(entry, 8)
            let size = RPMHeader.word(entry, 12)
            if number == 0, tag == kind.region {
                try checkRegion(type, offset, size)
            } else {
                guard number > 0 || kind == .signature else { throw error(tag, "stands where the region must be") }
                try take(tag, type, offset, size)
            }
        }
        return entries
    }

    /// The region's trailer is the store's last 16 bytes, and says that all entries belong to it.
    private func checkRegion(_ type: UInt32, _ offset: UInt32, _ size: UInt32) throws(RPMPackageError) {
        guard type == 7, size == 16, offset <= UInt32(Int32.max), Int(offset) + 16 == store.count || kind == .signature,
            Int(offset) + 16 <= store.count
        else { throw error(kind.region, "has a malformed region") }
        let trailer = store.dropFirst(Int(offset)).prefix(16)
        let length = -Int64(Int32(bitPattern: RPMHeader.word(trailer, 8)))
        let covered = length / 16
        guard RPMHeader.word(trailer, 0) == kind.region, RPMHeader.word(trailer, 4) == 7,
            RPMHeader.word(trailer, 12) == 16, length > 0, length % 16 == 0, covered <= Int64(count),
            kind == .signature || covered == Int64(count)
        else { throw error(kind.region, "has a region that does not cover the header") }
    }

    private mutating func take(
        _ tag: UInt32,
        _ type: UInt32,
        _ offset: UInt32,
        _ size: UInt32
    ) throws(RPMPackageError) {
        guard (100...0xFFFF).contains(tag) else { throw error(tag, "is no tag") }
        guard entries[tag] == nil else { throw error(tag, "occurs twice") }
        guard size > 0, Int(size) <= store.count, Int(offset) <= store.count else {
            throw error(tag, "is outside of the store")
        }
        let begin = Int(offset)
        guard begin >= end else { throw error(tag, "overlaps the one before") }
        let length = try length(tag, type, begin, Int(size))
        guard length <= store.count - begin else { throw error(tag, "is outside of the store") }
        end = begin + length
        entries[tag] = RPMHeader.Entry(type: type, count: Int(size), range: begin..<end)
    }

    private func length(_ tag: UInt32, _ type: UInt32, _ begin: Int, _ count: Int) throws(RPMPackageError) -> Int {
        let widths: [UInt32: Int] = [1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1]
        if let width = widths[type] {
            guard begin % width == 0 else { throw error(tag, "is not aligned") }
            return width * count
        }
        guard type == 6 && count == 1 || type == 8 || type == 9 else {
            throw error(tag, "has the unknown type \(type)")
        }
        var rest = store.dropFirst(begin)
        for _ in 0..<count {
            guard let zero = rest.firstIndex(of: 0) else { throw error(tag, "has a text without an end") }
            rest = rest[(zero + 1)...]
        }
        return store.count - begin - rest.count
    }

    private func error(_ tag: UInt32, _ reason: String) -> RPMPackageError {
        RPMPackageError(location: "tag \(tag) of the \(kind.location)", reason: reason)
    }
}
