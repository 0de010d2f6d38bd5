import MusterModel

/// What the service has to do, or to write into its log, after events.
public enum RunEffect: Hashable, Sendable {
    /// The first nodes may have their turn now.
    case began
    /// The node's manifest has the run now: write a new one and wake it.
    case assigned(NodeID)
    /// The node's manifest has it no longer: write a new one and wake it.
    case withdrawn(NodeID)
    /// The node's manifest has its cancellation now: write a new one and wake it.
    case cancelling(NodeID)
    /// The node's process began.
    case nodeStarted(NodeID)
    /// The node's part is over. It may be said again, when the node says better.
    case nodeEnded(NodeID)
    /// No node has a turn any more.
    case stopped(Run.Stop)
    /// Every node's part is over.
    case ended(Run.Outcome)
}

/// What came of one `Run.apply`.
public struct RunStep: Sendable {
    /// One node that changed.
    public struct Node: Hashable, Sendable {
        /// Its place in the run.
        public let position: Int
        /// What it is now.
        public let node: RunNode
    }

    /// What is to be done, in this order.
    public let effects: [RunEffect]
    /// The nodes whose stored part changed.
    public let nodes: [Node]
    /// Whether anything that is stored changed.
    public let isChanged: Bool
}
