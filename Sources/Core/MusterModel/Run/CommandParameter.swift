import CanonicalJSON

/// A parameter of an approved command: `{"type": "text", "pattern": "nginx|php-fpm"}`.
public struct CommandParameter: Hashable, Sendable {
    /// Most bytes of a value.
    public static let valueLimit = 4096
    /// Most values of a list, and of a choice.
    public static let listLimit = 256

    /// What its values are.
    public enum Kind: Hashable, Sendable {
        /// Text that the pattern matches.
        case text(ValuePattern)
        /// A decimal integer in these bounds, without leading zeros or plus sign.
        case integer(minimum: Int64, maximum: Int64)
        /// One of these.
        case choice([String])
        /// A type that this program does not know: the command cannot be run here.
        case unknown(String)
    }

    /// What its values are.
    public let kind: Kind
    /// The values where none are given; nil where some must be.
    public let standard: [String]?
    /// Most values; nil for exactly one, which can stand anywhere in a word.
    public let list: Int?
    /// Whether a value may begin with `-`, which programs take for an option.
    public let mayBeginWithDash: Bool
    /// Whether the value is for the process alone: sealed to each node, in no statement, masked in the output.
    public let isSecret: Bool
    /// What it is, for people.
    public let text: String?
    /// Members that this program does not know: the command cannot be run here.
    public let unknown: JSONObject

    /// A parameter of these parts.
    public init(
        _ kind: Kind,
        standard: [String]? = nil,
        list: Int? = nil,
        mayBeginWithDash: Bool = false,
        isSecret: Bool = false,
        text: String? = nil
    ) {
        self.kind = kind
        self.standard = standard
        self.list = list
        self.mayBeginWithDash = mayBeginWithDash
        self.isSecret = isSecret
        self.text = text
        unknown = JSONObject()
    }

    /// Reads a parameter.
    public init(_ fields: JSONFields) throws(JSONError) {
        var known: Set<String> = ["type", "default", "list", "dash", "secret", "description"]
        let type = try fields.string("type", limit: 64)
        switch type {
        case "text":
            kind = .text(ValuePattern(try fields.string("pattern", limit: ValuePattern.byteLimit)))
            known.insert("pattern")
        case "integer":
            let range = Int64.min...Int64.max
            kind = .integer(
                minimum: try fields.integer("minimum", in: range),
                maximum: try fields.integer("maximum", in: range)
            )
            known.formUnion(["minimum", "maximum"])
        case "choice":
            kind = .choice(try fields.strings("values", limit: Self.listLimit, each: Self.valueLimit))
            known.insert("values")
        default: kind = .unknown(type)
        }
        standard = try fields.optional("default") { fields, key throws(JSONError) in
            try fields.strings(key, limit: Self.listLimit, each: Self.valueLimit)
        }
        list = try fields.optional("list") { fields, key throws(JSONError) in
            Int(try fields.integer(key, in: 1...Int64(Self.listLimit)))
        }
        mayBeginWithDash =
            try fields.optional("dash") { fields, key throws(JSONError) in try fields.bool(key) } ?? false
        isSecret = try fields.optional("secret") { fields, key throws(JSONError) in try fields.bool(key) } ?? false
        text = try fields.optional("description") { fields, key throws(JSONError) in
            try fields.plainText(key, limit: 1000)
        }
        unknown = fields.others(than: known)
    }

    /// The parameter as the policy has it.
    public var json: JSONValue {
        var object = unknown
        switch kind {
        case .text(let pattern):
            object["type"] = "text"
            object["pattern"] = .string(pattern.text)
        case .integer(let minimum, let maximum):
            object["type"] = "integer"
            object["minimum"] = .integer(minimum)
            object["maximum"] = .integer(maximum)
        case .choice(let values):
            object["type"] = "choice"
            object["values"] = .array(values.map { .string($0) })
        case .unknown(let type): object["type"] = .string(type)
        }
        if let standard { object["default"] = .array(standard.map { .string($0) }) }
        if let list { object["list"] = JSONValue(list) }
        if mayBeginWithDash { object["dash"] = true }
        if isSecret { object["secret"] = true }
        if let text { object["description"] = .string(text) }
        return .object(object)
    }

    /// Why a value cannot be given, as a clause; nil where it can.
    public func objection(to value: String) -> String? {
        guard value.utf8.count <= Self.valueLimit else { return "is longer than \(Self.valueLimit) bytes" }
        guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return "holds control characters" }
        if value.utf8.first == UInt8(ascii: "-"), !mayBeginWithDash, !isSecret {
            guard case .integer = kind else { return "begins with '-', which the command does not allow here" }
        }
        switch kind {
        case .text(let pattern): return pattern.matches(value) ? nil : "does not match the pattern '\(pattern)'"
        case .integer(let minimum, let maximum):
            guard let number = Int64(value), "\(number)".utf8.elementsEqual(value.utf8) else { return "is no integer" }
            return (minimum...max(minimum, maximum)).contains(number) && number <= maximum
                ? nil : "is not between \(minimum) and \(maximum)"
        case .choice(let values):
            return values.contains { $0.utf8.elementsEqual(value.utf8) }
                ? nil : "is none of \(values.joined(separator: ", "))"
        case .unknown(let type): return "is of the type '\(type)', which this program does not know"
        }
    }
}

extension JSONFields {
    /// The members whose names are not among `known`: what a later version of a document may say.
    public func others(than known: Set<String>) -> JSONObject {
        var others = JSONObject()
        for member in object.members where !known.contains(member.key) { others[member.key] = member.value }
        return others
    }
}
