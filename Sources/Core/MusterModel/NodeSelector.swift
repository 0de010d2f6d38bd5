import CanonicalJSON

/// Which nodes are meant, as statements and rules write it: `*`, `tag:web` or `node:<node id>`.
public enum NodeSelector: Hashable, Sendable, CustomStringConvertible {
    case every
    case tag(Tag)
    case node(NodeID)

    /// Most selectors in one list.
    public static let limit = 10_000

    /// Parses one selector; nil where it is none of the three forms.
    public init?(_ text: String) {
        if text == "*" {
            self = .every
        } else if text.hasPrefix("tag:"), let tag = Tag(String(text.dropFirst(4))) {
            self = .tag(tag)
        } else if text.hasPrefix("node:"), let node = NodeID(String(text.dropFirst(5))) {
            self = .node(node)
        } else {
            return nil
        }
    }

    /// The value as it is written.
    public var description: String {
        switch self {
        case .every: "*"
        case .tag(let tag): "tag:\(tag)"
        case .node(let node): "node:\(node)"
        }
    }

    /// Whether the node is meant.
    public func matches(node: NodeID, tags: Set<Tag>) -> Bool {
        switch self {
        case .every: true
        case .tag(let tag): tags.contains(tag)
        case .node(let id): id == node
        }
    }
}

extension [NodeSelector] {
    /// Whether any of the selectors means the node; an empty list means no node.
    public func matches(node: NodeID, tags: Set<Tag>) -> Bool {
        contains { $0.matches(node: node, tags: tags) }
    }

    /// The selectors as an array of JSON strings.
    public var json: JSONValue { .array(map { .string($0.description) }) }
}

extension JSONFields {
    /// A list of selectors.
    public func selectors(_ key: String) throws(JSONError) -> [NodeSelector] {
        var selectors: [NodeSelector] = []
        for (index, text) in try strings(key, limit: NodeSelector.limit, each: 128).enumerated() {
            guard let selector = NodeSelector(text) else {
                throw error("\(key)[\(index)]", "is not *, tag:NAME or node:ID")
            }
            selectors.append(selector)
        }
        return selectors
    }
}
