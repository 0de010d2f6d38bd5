import CanonicalJSON

/// A place in a JSON document as RFC 6901 writes it, such as `/signed/sequence`; a step `*` stands for every element or
/// member.
public struct JSONPlace: Hashable, Sendable, CustomStringConvertible {
    /// The keys and indices on the way.
    public let steps: [String]

    /// The place at the end of these steps.
    public init(_ steps: [String]) {
        self.steps = steps
    }

    /// Reads a place.
    public init(_ text: String) {
        steps = text.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { step in
            String(step).split(separator: "~1", omittingEmptySubsequences: false).joined(separator: "/")
                .split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~")
        }
    }

    /// The place as it is written.
    public var description: String {
        steps.map { step in
            "/" + step.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
        }.joined()
    }

    /// What a document has there; several values where a step is `*`.
    public func values(in document: JSONValue) -> [JSONValue] {
        steps.reduce([document]) { values, step in values.flatMap { Self.children(of: $0, at: step) } }
    }

    /// The document without what it has there.
    public func removing(from document: JSONValue) -> JSONValue {
        guard let first = steps.first else { return .null }
        let rest = JSONPlace(Array(steps.dropFirst()))
        switch document {
        case .object(let object):
            var kept: [(String, JSONValue)] = []
            for member in object.members {
                guard first == "*" || first == member.key else {
                    kept.append((member.key, member.value))
                    continue
                }
                if !rest.steps.isEmpty { kept.append((member.key, rest.removing(from: member.value))) }
            }
            return .object(JSONObject(kept))
        case .array(let elements):
            return .array(
                elements.enumerated().map { index, element in
                    first == "*" || first == String(index) ? rest.removing(from: element) : element
                }
            )
        default: return document
        }
    }

    private static func children(of value: JSONValue, at step: String) -> [JSONValue] {
        switch value {
        case .object(let object): step == "*" ? object.members.map(\.value) : [object[step]].compactMap(\.self)
        case .array(let elements):
            if step == "*" {
                elements
            } else if let index = Int(step), elements.indices.contains(index) {
                [elements[index]]
            } else {
                []
            }
        default: []
        }
    }
}
