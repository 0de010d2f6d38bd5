import CanonicalJSON
import Yams

/// A YAML file as the JSON that it stands for, with the line and column of every part.
///
/// Plain scalars that look like integers, booleans or null become such; everything else is text. Anchors may be used, but
/// what they expand to is bounded.
struct YAMLDocument: Sendable {
    /// Most parts of a document, aliases expanded.
    static let partLimit = 200_000

    /// The document.
    let value: JSONValue
    private let file: String
    private let places: [String: Place]
    private let texts: [String: String]

    private struct Place: Sendable {
        let line: Int
        let column: Int
    }

    init(_ text: String, file: String) throws {
        self.file = file
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw PolicyMistakes([Self.mistake(error, file)])
        }
        guard let node else { throw PolicyMistakes([Self.mistake(file, [:], "", "is empty")]) }
        var reader = Reader()
        do throws(JSONError) {
            value = try reader.value(node, "")
        } catch {
            throw PolicyMistakes([Self.mistake(file, reader.places, error.location, error.reason)])
        }
        places = reader.places
        texts = reader.texts
    }

    /// A mistake in the part at `path`, such as `rules[0].who`, or the nearest part around it.
    func mistake(at path: String, _ text: String) -> PolicyMistake {
        Self.mistake(file, places, path, text)
    }

    /// How the number or boolean at `path` is written: what it means where text is wanted.
    func text(at path: String) -> String? { texts[path] }

    private static func mistake(
        _ file: String,
        _ places: [String: Place],
        _ path: String,
        _ text: String
    ) -> PolicyMistake {
        var known = path
        while places[known] == nil, let end = known.lastIndex(where: { $0 == "." || $0 == "[" }) {
            known = String(known[..<end])
        }
        let place = places[known] ?? places[""]
        return PolicyMistake(file: file, line: place?.line ?? 0, column: place?.column ?? 0, path: path, text: text)
    }

    /// Text that is no YAML.
    private static func mistake(_ error: any Error, _ file: String) -> PolicyMistake {
        func at(_ mark: Mark, _ text: String) -> PolicyMistake {
            PolicyMistake(file: file, line: mark.line, column: mark.column, path: "", text: text)
        }
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return at(mark, "this is no YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            return at(context.mark, "a member occurs twice: \(duplicates.joined(separator: ", "))")
        default: return PolicyMistake(file: file, line: 0, column: 0, path: "", text: "\(error)")
        }
    }

    /// Walks the tree and notes where everything is.
    private struct Reader {
        var places: [String: Place] = [:]
        var texts: [String: String] = [:]
        var count = 0

        mutating func value(_ node: Node, _ path: String, depth: Int = 0) throws(JSONError) -> JSONValue {
            count += 1
            if places[path] == nil, let mark = node.mark { places[path] = Place(line: mark.line, column: mark.column) }
            guard count <= YAMLDocument.partLimit, depth < 32 else {
                throw JSONError(location: path, reason: "the document is too large or too deep")
            }
            switch node {
            case .scalar(let scalar):
                let value = Self.scalar(scalar)
                switch value {
                case .integer, .bool: texts[path] = scalar.string
                default: break
                }
                return value
            case .sequence(let sequence):
                var values: [JSONValue] = []
                for (index, entry) in sequence.enumerated() {
                    values.append(try value(entry, "\(path)[\(index)]", depth: depth + 1))
                }
                return .array(values)
            case .mapping(let mapping): return try object(mapping, path, depth)
            default: throw JSONError(location: path, reason: "is of a kind that is not used here")
            }
        }

        private mutating func object(
            _ mapping: Node.Mapping,
            _ path: String,
            _ depth: Int
        ) throws(JSONError) -> JSONValue {
            var object = JSONObject()
            for (key, entry) in mapping {
                guard case .scalar(let name) = key else {
                    throw JSONError(location: path, reason: "has a member whose name is no text")
                }
                let inner = path.isEmpty ? name.string : path + "." + name.string
                if let mark = key.mark { places[inner] = Place(line: mark.line, column: mark.column) }
                object[name.string] = try value(entry, inner, depth: depth + 1)
            }
            return .object(object)
        }

        private static func scalar(_ scalar: Node.Scalar) -> JSONValue {
            guard scalar.style == .plain || scalar.style == .any else { return .string(scalar.string) }
            switch scalar.string {
            case "true": return true
            case "false": return false
            case "null", "~", "": return .null
            default:
                let digits = scalar.string.utf8.drop { $0 == UInt8(ascii: "-") }
                if !digits.isEmpty, digits.allSatisfy({ (48...57).contains($0) }), let number = Int64(scalar.string) {
                    return .integer(number)
                }
                return .string(scalar.string)
            }
        }
    }
}
