import ByteCoding
import MusterModel

/// What the service knows of a node that a rollout selects.
public struct NodeFact: Hashable, Sendable {
    /// The node.
    public let node: NodeID
    /// The package's version that the node last reported; empty where none is installed.
    public let version: String
    /// When the node was last in contact; nil where it never was.
    public let lastSeen: UTCTime?

    /// A fact about `node`.
    public init(node: NodeID, version: String, lastSeen: UTCTime?) {
        self.node = node
        self.version = version
        self.lastSeen = lastSeen
    }
}
