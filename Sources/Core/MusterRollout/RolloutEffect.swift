import ByteCoding
import MusterModel

/// What the service has to do, or to write into its log, after an event.
///
/// In this order, in the event's transaction. After the
/// end only `.failed` and `.withdraw` may follow, for nodes that were at work when it came.
public enum RolloutEffect: Hashable, Sendable {
    /// The node's manifest now carries the assignment: write a new one and wake its long poll.
    case assign(NodeID)
    /// The node's manifest no longer carries the assignment: write a new one.
    case withdraw(NodeID)
    /// The stage (counted from 0) opened: its nodes are assigned as far as the limit in flight lets them.
    case stageOpened(Int)
    /// The group (counted from 0) has its turn: those before it are done.
    case groupOpened(Int)
    /// Nothing can go on at present although nodes wait for their turn, for hours or limits of the policy.
    ///
    /// Said once for each reason. `until` is when it is known to go on; nil where that depends on something else.
    case holding(reason: String, until: UTCTime?)
    /// Every node of the stage is done; the next stage opens at `until` unless something fails before.
    case stageBaking(Int, until: UTCTime)
    /// The node was not in contact and no longer holds up its stage. It is assigned again when it is seen.
    case skipped(NodeID, reason: String)
    /// The node is no part of the rollout any more.
    case removed(NodeID, reason: String)
    /// The node counts as failed, by its own report or because a deadline passed.
    case failed(NodeID, reason: String)
    /// Only nodes that are not in contact remain. The rollout stays open for them until it expires.
    case onlySkippedRemain(Int)
    /// No node is assigned any more until an operator resumes.
    case halted(reason: String)
    /// An operator resumed the rollout.
    case resumed(by: OperatorName)
    /// Every selected node is done. The rollout is over.
    case completed
    /// The rollout is over without being complete: cancelled or expired.
    case ended(reason: String)
}
