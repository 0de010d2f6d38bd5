import CanonicalJSON

/// What has to be written down of a rollout since that was last done: the header always, and the nodes that changed.
public struct RolloutChanges: Hashable, Sendable {
    /// One node, by its place in `Rollout.nodes`.
    public struct Node: Hashable, Sendable {
        /// Its place, counted from 0; a place once given is kept until the first stage opens.
        public let index: Int
        /// Its part.
        public let json: JSONValue
    }

    /// Everything but the nodes.
    public let header: JSONValue
    /// The nodes that changed, in order; a place that was not there before is a new node.
    public let nodes: [Node]
}

extension Rollout {
    /// What changed since this was last asked, or since the rollout was made or read.
    public mutating func takeChanges() -> RolloutChanges {
        RolloutChanges(
            header: header,
            nodes: nodes.enumerated().map { RolloutChanges.Node(index: $0.offset, json: $0.element.json) }
        )
    }

    /// Everything but the nodes.
    var header: JSONValue {
        guard case .object(var object) = json else { return json }
        object["nodes"] = nil
        return .object(object)
    }

    /// Reads a rollout that was written change by change: its last header, and the last of each node in order of place.
    public init(header: JSONFields, nodes: [JSONFields]) throws(JSONError) {
        var object = header.object
        object["nodes"] = .array(nodes.map { .object($0.object) })
        try self.init(try JSONFields(.object(object), at: header.path))
    }
}
