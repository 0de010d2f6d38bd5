import Glibc

/// The machine's processes as /proc shows them at one moment.
public struct ProcessTable: Sendable {
    /// One process.
    public struct Entry: Hashable, Sendable {
        /// Its id.
        public let id: Int32
        /// The id of its parent.
        public let parent: Int32
        /// The process group it belongs to.
        public let group: Int32
        /// The session it belongs to.
        public let session: Int32
        /// When it was started, in clock ticks since the boot: with the id, this names one process for good.
        public let started: UInt64
        /// Whether it has ended and only waits to be waited for.
        public let isEnded: Bool
    }

    /// All of them.
    public let entries: [Entry]

    /// Looks at the machine; a process that ends meanwhile may be missing.
    public init() {
        let names = (try? Directory.entries("/proc", limit: 5_000_000)) ?? []
        entries = names.compactMap { name in Int32(name).flatMap(Self.entry) }
    }

    /// A table of these.
    init(_ entries: [Entry]) {
        self.entries = entries
    }

    /// The id of this process.
    public static var ownID: Int32 { getpid() }

    /// One process; nil where there is none of that id.
    public static func entry(_ id: Int32) -> Entry? {
        guard let bytes = try? BoundedFile.read("/proc/\(id)/stat", limit: 4096) else { return nil }
        return parse(bytes, id)
    }

    /// Those that descend from `ancestor`, without itself.
    public func descendants(of ancestor: Int32) -> [Entry] {
        var children: [Int32: [Entry]] = [:]
        for entry in entries { children[entry.parent, default: []].append(entry) }
        var found: [Entry] = []
        var seen: Set<Int32> = [ancestor]
        var next = children[ancestor] ?? []
        while let entry = next.popLast() {
            guard seen.insert(entry.id).inserted else { continue }
            found.append(entry)
            next.append(contentsOf: children[entry.id] ?? [])
        }
        return found
    }

    /// Whether the environment that the process was started with has exactly this entry, such as `NAME=value`.
    ///
    /// False where we may not look.
    public static func environment(of id: Int32, contains entry: String) -> Bool {
        guard let bytes = try? BoundedFile.read("/proc/\(id)/environ", limit: 4 << 20) else { return false }
        return bytes.split(separator: 0).contains { $0.elementsEqual(entry.utf8) }
    }

    /// Fields after the name, which stands in parentheses and may hold anything: the last one ends it.
    static func parse(_ bytes: [UInt8], _ id: Int32) -> Entry? {
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let words = String(decoding: bytes[(end + 1)...], as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count > 19, let parent = Int32(words[1]), let group = Int32(words[2]),
            let session = Int32(words[3]), let started = UInt64(words[19])
        else { return nil }
        return Entry(
            id: id,
            parent: parent,
            group: group,
            session: session,
            started: started,
            isEnded: words[0] == "Z" || words[0] == "X"
        )
    }
}
