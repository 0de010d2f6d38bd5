import ByteCoding
import MusterModel

/// A node of the simulation, with what is really true about it.
struct SimulatedNode {
    /// What becomes of an upgrade on this node.
    enum Fate {
        case confirms
        case fails
        case refuses
        case rollsBack
        /// Falls silent at some step and never comes back.
        case dies
    }

    let id: NodeID
    let fate: Fate
    var version = "1.0"
    var isOnline = true
    var lastSeen: UTCTime?
    var tags: Set<Tag> = []
    /// The name of its hours; nil for always.
    var hours: String?
    /// Whether it fares worse with the new version, although it confirms.
    var isWorse = false
    /// Why it may do nothing at present.
    var obstacle: String?
    /// Until when it may begin what its last manifest assigned; nil where that assigned nothing.
    var mayBeginUntil: UTCTime?
    /// Whether its package manager or its health checks are at work.
    var isChanging = false
    /// Whether it is past the point from which it never starts again.
    var isDone = false
    /// Whether it is on its way through an upgrade.
    var isAtWork = false
}
