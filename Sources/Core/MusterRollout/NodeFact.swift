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
    /// Why the node may do nothing at present, such as an expired key; nil where it may.
    public let obstacle: String?

    /// A fact about `node`.
    public init(node: NodeID, version: String, lastSeen: UTCTime?, obstacle: String? = nil) {
        self.node = node
        self.version = version
        self.lastSeen = lastSeen
        self.obstacle = obstacle
    }
}
