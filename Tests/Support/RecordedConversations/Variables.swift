import ByteCoding
import CanonicalJSON

/// What differs from one conversation to the next, by name: ids, keys, challenges, sessions, times.
///
/// In a recorded text `${name}` stands for a variable's value; a text that is nothing else becomes the value itself, so that
/// a number stays one.
public struct Variables: Sendable {
    /// A text names a variable that has no value yet.
    public struct Missing: Error, CustomStringConvertible {
        /// Which one, and where.
        public let description: String
    }

    /// The values.
    public private(set) var values: [String: JSONValue]

    /// Variables with these values.
    public init(_ values: [String: JSONValue] = [:]) {
        self.values = values
    }

    /// The value of a variable.
    public subscript(name: String) -> JSONValue? {
        get { values[name] }
        set { values[name] = newValue }
    }

    /// A recorded document with the values in their places.
    public func fill(_ value: JSONValue) throws(Missing) -> JSONValue {
        switch value {
        case .string(let text):
            guard text.hasPrefix("${"), text.firstIndex(of: "}") == text.indices.last else {
                return .string(try fill(text))
            }
            return try look(String(text.dropFirst(2).dropLast()), in: text)
        case .array(let elements):
            var filled: [JSONValue] = []
            for element in elements { filled.append(try fill(element)) }
            return .array(filled)
        case .object(let object):
            var filled: [(String, JSONValue)] = []
            for member in object.members { filled.append((try fill(member.key), try fill(member.value))) }
            return .object(JSONObject(filled))
        default: return value
        }
    }

    /// A recorded text with the values in their places.
    public func fill(_ text: String) throws(Missing) -> String {
        var filled = ""
        var rest = Substring(text)
        while let start = rest.firstRange(of: "${") {
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else { break }
            filled += rest[..<start.lowerBound] + Self.text(try look(String(rest[start.upperBound..<end]), in: text))
            rest = rest[rest.index(after: end)...]
        }
        return filled + rest
    }

    /// A value as it stands inside a text.
    public static func text(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .integer(let number): String(number)
        default: String(decoding: value.jsonBytes, as: UTF8.self)
        }
    }

    private func look(_ name: String, in text: String) throws(Missing) -> JSONValue {
        guard let value = values[name] else {
            throw Missing(description: "'\(text)': nothing said yet what \(name) is")
        }
        return value
    }
}
