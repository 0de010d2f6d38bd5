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
    /// What changed since this was last asked, or since the rollout was made, or read as it was written change by change.
    public mutating func takeChanges() -> RolloutChanges {
        let changed = nodes.takeChanged()
        return RolloutChanges(
            header: header,
            nodes: changed.map { RolloutChanges.Node(index: $0, json: nodes[$0].json) }
        )
    }
}
