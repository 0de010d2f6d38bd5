/// One value of a `JSONDocument`, read only as far as it is asked.
public struct JSONNode: Sendable {
    let storage: JSONDocument.Storage
    let index: Int

    var token: JSONToken { storage.tokens[index] }

    /// Whether the value is an object.
    public var isObject: Bool { token.kind == .object }

    /// Number of members of an object or elements of an array, else 0.
    public var count: Int { Int(token.count) }

    /// The text of a string.
    public var string: String? {
        guard token.kind == .string else { return nil }
        return storage.bytes.withUnsafeBufferPointer { JSONText.string(token, in: $0) }
    }

    /// An integer that fits 64 bits.
    public var integer: Int64? {
        guard token.kind == .integer else { return nil }
        return storage.bytes.withUnsafeBufferPointer { JSONText.integer(token, in: $0) }
    }

    /// Whether the value is exactly this string.
    public func isString(_ text: StaticString) -> Bool {
        guard token.kind == .string, !token.needsWork else { return string.map { $0 == text.description } ?? false }
        return storage.bytes.withUnsafeBufferPointer {
            let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            return JSONText.compare(JSONText.content(token, in: $0), wanted) == 0
        }
    }

    /// Whether the value is a string of exactly `count` lower-case hexadecimal digits.
    public func isHex(count: Int) -> Bool {
        guard token.kind == .string, !token.needsWork else { return false }
        return storage.bytes.withUnsafeBufferPointer { bytes in
            let digits = JSONText.content(token, in: bytes)
            guard digits.count == count else { return false }
            var valid = true
            for digit in digits {
                valid = valid && (digit &- UInt8(ascii: "0") < 10 || digit &- UInt8(ascii: "a") < 6)
            }
            return valid
        }
    }

    /// Order of a string relative to a text, by code point: negative, zero or positive.
    public func compare(to text: [UInt8]) -> Int {
        storage.bytes.withUnsafeBufferPointer { bytes in
            text.withUnsafeBufferPointer { text in
                guard token.needsWork else { return JSONText.compare(JSONText.content(token, in: bytes), text) }
                return JSONText.decoded(token, in: bytes).withUnsafeBufferPointer { JSONText.compare($0, text) }
            }
        }
    }

    /// The name of this kind of value, with its article, for error messages.
    public var kind: String {
        switch token.kind {
        case .null: "null"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The whole value.
    public var value: JSONValue {
        storage.bytes.withUnsafeBufferPointer { value(of: index, in: $0) }
    }

    /// The member of an object.
    public subscript(key: StaticString) -> JSONNode? {
        for (name, value) in members where name.isString(key) { return value }
        return nil
    }

    /// The keys and values of an object in the order of the document; nothing for any other value.
    public var members: Members { Members(storage: storage, token: token, index: index) }

    /// Iterates over the members of an object.
    public struct Members: Sequence, IteratorProtocol {
        private let storage: JSONDocument.Storage
        private var position: Int
        private var left: UInt32

        init(storage: JSONDocument.Storage, token: JSONToken, index: Int) {
            self.storage = storage
            position = index + 1
            left = token.kind == .object ? token.count : 0
        }

        /// The next member.
        public mutating func next() -> (key: JSONNode, value: JSONNode)? {
            guard left > 0 else { return nil }
            left -= 1
            let key = JSONNode(storage: storage, index: position)
            let value = JSONNode(storage: storage, index: position + 1)
            position = Int(storage.tokens[position + 1].next)
            return (key, value)
        }
    }

    private func value(of index: Int, in bytes: UnsafeBufferPointer<UInt8>) -> JSONValue {
        let token = storage.tokens[index]
        switch token.kind {
        case .null: return .null
        case .bool: return .bool(bytes[Int(token.start)] == UInt8(ascii: "t"))
        case .string: return .string(JSONText.string(token, in: bytes))
        case .integer:
            if let number = JSONText.integer(token, in: bytes) { return .integer(number) }
            return .bigInteger(String(decoding: bytes[Int(token.start)..<Int(token.end)], as: UTF8.self))
        case .array:
            var values: [JSONValue] = []
            values.reserveCapacity(Int(token.count))
            var position = index + 1
            for _ in 0..<token.count {
                values.append(value(of: position, in: bytes))
                position = Int(storage.tokens[position].next)
            }
            return .array(values)
        case .object:
            var members: [JSONObject.Member] = []
            members.reserveCapacity(Int(token.count))
            var position = index + 1
            for _ in 0..<token.count {
                let key = JSONText.string(storage.tokens[position], in: bytes)
                members.append(JSONObject.Member(key: key, value: value(of: position + 1, in: bytes)))
                position = Int(storage.tokens[position + 1].next)
            }
            return .object(JSONObject(unique: members, isSorted: !token.needsWork))
        }
    }
}
