/// The members of a JSON object, sorted by the code points of their keys, each key once.
public struct JSONObject: Sendable, Hashable {
    /// One key and its value.
    public struct Member: Sendable, Hashable {
        /// The key, exactly as it was written.
        public let key: String
        /// The value.
        public let value: JSONValue

        /// Whether both are the same, byte for byte.
        public static func == (left: Member, right: Member) -> Bool {
            left.key.utf8.elementsEqual(right.key.utf8) && left.value == right.value
        }

        /// Hashes what `==` compares.
        public func hash(into hasher: inout Hasher) {
            hasher.combine(JSONValue.string(key))
            hasher.combine(value)
        }
    }

    /// The members in canonical order.
    public private(set) var members: [Member]

    /// An object without members.
    public init() {
        members = []
    }

    /// An object of these members; of two with the same key the later one stays.
    public init(_ pairs: [(String, JSONValue)]) {
        var sorted: [Member] = []
        sorted.reserveCapacity(pairs.count)
        // The standard library's sort is stable: of equal keys the later stays later.
        for (key, value) in pairs.sorted(by: { Self.precedes($0.0, $1.0) }) {
            if let last = sorted.last, last.key.utf8.elementsEqual(key.utf8) { sorted.removeLast() }
            sorted.append(Member(key: key, value: value))
        }
        members = sorted
    }

    /// The members that a document has, each key once.
    init(unique: [Member], isSorted: Bool) {
        members = isSorted ? unique : unique.sorted { Self.precedes($0.key, $1.key) }
    }

    private static let smallCount = 32

    /// How many members there are.
    public var count: Int { members.count }

    /// The keys in canonical order.
    public var keys: [String] { members.map(\.key) }

    /// The value of `key`; setting nil removes the member.
    public subscript(key: String) -> JSONValue? {
        get {
            // Most objects are small and most keys short: comparing whole strings beats comparing their order.
            if members.count <= Self.smallCount {
                return members.first { $0.key == key && $0.key.utf8.elementsEqual(key.utf8) }?.value
            }
            let index = position(of: key)
            guard index < members.count, members[index].key.utf8.elementsEqual(key.utf8) else { return nil }
            return members[index].value
        }
        set {
            let index = position(of: key)
            let present = index < members.count && members[index].key.utf8.elementsEqual(key.utf8)
            switch (present, newValue) {
            case (true, let value?): members[index] = Member(key: key, value: value)
            case (true, nil): members.remove(at: index)
            case (false, let value?): members.insert(Member(key: key, value: value), at: index)
            case (false, nil): break
            }
        }
    }

    /// Index of the first member whose key is not below `key`.
    private func position(of key: String) -> Int {
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            if Self.precedes(members[middle].key, key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Order by code point, which for UTF-8 is the order of the bytes.
    private static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// The literal as a JSON value.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.init(elements)
    }
}
