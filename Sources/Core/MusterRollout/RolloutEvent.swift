import ByteCoding
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
    /// A node that had confirmed was not in contact since, for so long that something must be wrong with it.
    case silent(NodeID, since: UTCTime)
    /// Figures that the node reports of itself now. See `Rollout.needs(measured:)`.
    case measured(NodeID, [String: Int64])
    /// What hours of these names say now, by policy: before facts name them, and whenever one of them has passed.
    ///
    /// Hours that it leaves out stay as they were. Hours of which nothing was ever said are closed. See
    /// `Rollout.staleHours(at:)`.
    case slots([String: Slot])
    /// What policy limits in the whole fleet, all of it: before the facts of nodes with these tags, and whenever what other
    /// rollouts are changing is different.
    case fleetLimits([Tag: FleetLimit])
    /// Whether policy lets this rollout skip its bake times, as it may for security releases. No stage is ever skipped.
    case urgency(skipsBake: Bool)
    /// Time passed: `Rollout.nextDeadline(after:)` was reached.
    case tick
    /// An operator stops the rollout for now.
    case halt(reason: String, by: OperatorName)
    /// An operator lets a halted rollout go on; the failures so far are forgiven, the nodes that failed stay failed.
    case resume(by: OperatorName)
    /// An operator ends the rollout for good.
    case cancel(reason: String, by: OperatorName)
}
