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
    /// Why the node may do nothing at present, such as an expired key, a hold, a pin or a floor; nil where it may.
    public let obstacle: String?
    /// Its tags: they say which group it is in and which limits in flight it counts against.
    public let tags: Set<Tag>
    /// The name of the hours in which policy lets it change, as `RolloutEvent.slots` speaks of them; nil for always.
    public let hours: String?

    /// A fact about `node`.
    public init(
        node: NodeID,
        version: String,
        lastSeen: UTCTime?,
        obstacle: String? = nil,
        tags: Set<Tag> = [],
        hours: String? = nil
    ) {
        self.node = node
        self.version = version
        self.lastSeen = lastSeen
        self.obstacle = obstacle
        self.tags = tags
        self.hours = hours
    }
}
