import ByteCoding
import CanonicalJSON

/// A name whose spelling is checked when it is made, so that it can stand in a path, a URL, a log line or a signed
/// document without escaping.
public protocol CheckedName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// What a valid name looks like, for error messages.
    static var form: String { get }

    /// The name itself.
    var text: String { get }

    /// The name, or nil where `text` does not have the form.
    init?(_ text: String)
}

extension CheckedName {
    /// The value as it is written.
    public var description: String { text }

    /// The order of the bytes.
    public static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    /// Whether `text` is 1 to `limit` bytes of `a-z`, `0-9` and `others`, beginning with a letter or digit.
    static func hasForm(_ text: String, others: String, limit: Int = 63) -> Bool {
        func isLetterOrDigit(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = text.utf8.first, isLetterOrDigit(first), text.utf8.count <= limit else { return false }
        return text.utf8.allSatisfy { isLetterOrDigit($0) || others.utf8.contains($0) }
    }
}

/// A node's id: given at enrollment, kept for life, through every rotation of its key.
public struct NodeID: CheckedName {
    /// What it looks like.
    public static let form = "1 to 63 of a-z, 0-9 and -, beginning with a letter or digit"
    /// The name itself.
    public let text: String

    /// The name, or nil where `text` does not have the form.
    public init?(_ text: String) {
        guard Self.hasForm(text, others: "-") else { return nil }
        self.text = text
    }
}

/// A node's or a tag's label in rules and selectors, without the `tag:` in front.
public struct Tag: CheckedName {
    /// What it looks like.
    public static let form = "1 to 63 of a-z, 0-9, ., _ and -, beginning with a letter or digit"
    /// The name itself.
    public let text: String

    /// The name, or nil where `text` does not have the form.
    public init?(_ text: String) {
        guard Self.hasForm(text, others: "._-") else { return nil }
        self.text = text
    }
}

/// An operator's name in the policy.
public struct OperatorName: CheckedName {
    /// What it looks like.
    public static let form = "1 to 63 of a-z, 0-9, ., _, @ and -, beginning with a letter or digit"
    /// The name itself.
    public let text: String

    /// The name, or nil where `text` does not have the form.
    public init?(_ text: String) {
        guard Self.hasForm(text, others: "._@-") else { return nil }
        self.text = text
    }
}

/// A statement's id: 16 random bytes in hexadecimal digits, used once.
///
/// The rollout that it starts has the same id.
public struct StatementID: CheckedName {
    /// What it looks like.
    public static let form = "32 lower-case hexadecimal digits"
    /// The name itself.
    public let text: String

    /// The name, or nil where `text` does not have the form.
    public init?(_ text: String) {
        guard text.utf8.count == 32, Hex.decode(text) != nil else { return nil }
        self.text = text
    }

    /// The id made of 16 random bytes; nil for any other count.
    public init?(random bytes: [UInt8]) {
        self.init(Hex.encode(bytes))
    }
}

/// A rollout's id, which is that of the statement that asked for it.
public typealias RolloutID = StatementID

/// The SHA-256 of a fleet's first root metadata: what a node pins, and what binds a statement to one fleet.
public struct FleetID: CheckedName {
    /// What it looks like.
    public static let form = "64 lower-case hexadecimal digits"
    /// The name itself.
    public let text: String

    /// The name, or nil where `text` does not have the form.
    public init?(_ text: String) {
        guard text.utf8.count == 64, Hex.decode(text) != nil else { return nil }
        self.text = text
    }

    /// The id that is this SHA-256 digest; nil unless it is 32 bytes.
    public init?(digest: [UInt8]) {
        self.init(Hex.encode(digest))
    }
}

extension JSONFields {
    /// A name of the given type.
    public func name<Name: CheckedName>(_ key: String, as type: Name.Type = Name.self) throws(JSONError) -> Name {
        guard let name = Name(try string(key, limit: 128)) else { throw error(key, "is not \(Name.form)") }
        return name
    }

    /// An array of names of the given type, at most `limit`.
    public func names<Name: CheckedName>(
        _ key: String,
        as type: Name.Type = Name.self,
        limit: Int
    ) throws(JSONError) -> [Name] {
        var names: [Name] = []
        for (index, text) in try strings(key, limit: limit, each: 128).enumerated() {
            guard let name = Name(text) else { throw error("\(key)[\(index)]", "is not \(Name.form)") }
            names.append(name)
        }
        return names
    }
}

extension JSONValue {
    /// The name as a JSON string.
    public init(_ name: some CheckedName) {
        self = .string(name.text)
    }

    /// The names as an array of JSON strings.
    public init(_ names: [some CheckedName]) {
        self = .array(names.map { .string($0.text) })
    }

    /// The moment as signed documents write it.
    public init(_ time: UTCTime) {
        self = .string(time.description)
    }

    /// The number as a JSON integer.
    public init(_ number: Int) {
        self = .integer(Int64(number))
    }
}
