/// A JSON document as signed metadata may hold it: no floats, no duplicate keys, no lone surrogates.
///
/// Strings compare by their bytes, never by Unicode equivalence: two keys that merely look alike are two keys.
public enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// An integer beyond 64 bits: its decimal digits, with `-` in front if negative, no leading zero.
    case bigInteger(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// The canonical bytes that are signed and hashed (securesystemslib's "OLPC" canonical JSON): keys sorted by code
    /// point, no white space, only `"` and `\` escaped, everything else literal UTF-8.
    public var canonicalBytes: [UInt8] {
        var writer = JSONWriter(style: .canonical)
        writer.write(self)
        return writer.bytes
    }

    /// Ordinary JSON (RFC 8259) on one line, with control characters escaped: what is stored and sent.
    public var jsonBytes: [UInt8] {
        var writer = JSONWriter(style: .compact)
        writer.write(self)
        return writer.bytes
    }

    /// Ordinary JSON for people on one line; what would steer a terminal is escaped.
    public var lineText: String {
        var writer = JSONWriter(style: .line)
        writer.write(self)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Ordinary JSON for people, indented by one space as TUF repositories are, ending in a newline.
    ///
    /// What would steer a terminal is escaped.
    public var prettyText: String {
        var writer = JSONWriter(style: .pretty)
        writer.write(self)
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }

    /// The name of this kind of value, with its article, for error messages.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .bigInteger: "an integer"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The member of an object, or nil where this is no object or has no such member.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let object) = self else { return nil }
        return object[key]
    }
}

extension JSONValue: Hashable {
    /// Whether both are the same, byte for byte.
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.integer(let left), .integer(let right)): left == right
        case (.bigInteger(let left), .bigInteger(let right)): left == right
        case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        default: false
        }
    }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .integer(let value): hasher.combine(value)
        case .bigInteger(let digits): hasher.combine(digits)
        case .string(let text): for byte in text.utf8 { hasher.combine(byte) }
        case .array(let values): hasher.combine(values)
        case .object(let object): hasher.combine(object)
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// The literal as a JSON value.
    public init(stringLiteral value: String) { self = .string(value) }
    /// The literal as a JSON value.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// The literal as a JSON value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// The literal as a JSON value.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// The literal as a JSON value.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}
