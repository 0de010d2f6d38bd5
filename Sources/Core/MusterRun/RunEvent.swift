import ByteCoding
import MusterModel

/// What happens to a run; events may come twice, late, or in another order than they happened.
public enum RunEvent: Hashable, Sendable {
    /// The statement has every approval that the policy asks for.
    case approved
    /// The node was in contact at this time, and may do work. See `Run.needs(contactOf:)`.
    case contact(NodeID, at: UTCTime)
    /// A manifest with the run is about to leave for the node: from here on it may be running.
    case handed(NodeID)
    /// A manifest without the run, or with its cancellation, is about to leave for the node.
    case told(NodeID)
    /// What the node says of its part.
    case reported(NodeID, RunReport)
    /// The node left the fleet.
    case removed(NodeID, reason: String)
    /// An operator stops the run and what runs of it.
    case cancel(reason: String, by: OperatorName)
    /// An operator denies it while it has not begun.
    case deny(reason: String, by: OperatorName)
    /// Time passed.
    case tick
}

/// What a node says of its part in a run.
public enum RunReport: Hashable, Sendable {
    /// The process began, and goes on.
    case started
    /// The process ended by itself and well.
    case succeeded
    /// The process ended otherwise: another exit status, a signal, its timeout.
    case failed(reason: String)
    /// The node would not run it.
    case refused(reason: String)
    /// It began, and nobody can say what came of it.
    case lost(reason: String)
    /// It was ended, or dropped, because the run was cancelled.
    case cancelled(reason: String)
    /// It will not begin, though the node does not refuse it.
    case notStarted(reason: String)
    /// Its statement expired before it could begin.
    case expired(reason: String)
}
