import ByteCoding
import MusterModel

/// Why nothing of a rollout goes on just now.
public struct RolloutHold: Hashable, Sendable {
    /// Why, as one clause.
    public let reason: String
    /// When it is known to go on; nil where that depends on something else.
    public let until: UTCTime?
}

extension Rollout {
    /// Why nothing goes on at present; nil while something does, or once it is over.
    public var hold: RolloutHold? { nil }

    /// Why the node at `index` of `nodes` is as it is, also where it only waits; empty while all is well.
    public func reason(ofNodeAt index: Int) -> String { nodes[index].reason }

    /// Hours of which it has to be said anew by `RolloutEvent.slots` what they say, since that has passed.
    public func staleHours(at time: UTCTime) -> [String] { [] }

    /// How many nodes may be changing themselves, by each tag that has a limit.
    public var inFlightByTag: [Tag: Int] { [:] }

    /// Whether `.measured(node)` may change anything.
    public func needs(measured node: NodeID) -> Bool { false }

    /// Whether `.silent(node)` would change anything.
    public func needs(silent node: NodeID) -> Bool { false }
}
