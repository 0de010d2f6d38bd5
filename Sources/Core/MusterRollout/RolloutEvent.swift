import MusterModel

/// What happens to a rollout.
///
/// Events may come twice, late or in another order than they happened: the rollout ends up the same.
public enum RolloutEvent: Hashable, Sendable {
    /// The statement now has every approval that the policy asks for.
    case approved
    /// These nodes are selected by the statement: all of them at first, later those that are new or whose facts changed.
    ///
    /// A node with an obstacle is skipped, however often it is in contact, until a fact comes without one.
    /// The first such event lets the first stage open, so it is applied even where no node is selected.
    case nodesSelected([NodeFact])
    /// The node left the fleet, or the statement no longer selects it.
    case nodeRemoved(NodeID, reason: String)
    /// The node said how far it is. Implies that it was seen.
    case reported(NodeID, NodeProgress)
    /// The node was in contact: it is being handed a manifest, or sent a report. See `Rollout.needs(seen:)`.
    case seen(NodeID)
    /// Time passed: `Rollout.nextDeadline(after:)` was reached.
    case tick
    /// An operator stops the rollout for now.
    case halt(reason: String, by: OperatorName)
    /// An operator lets a halted rollout go on; the failures so far are forgiven, the nodes that failed stay failed.
    case resume(by: OperatorName)
    /// An operator ends the rollout for good.
    case cancel(reason: String, by: OperatorName)
}
