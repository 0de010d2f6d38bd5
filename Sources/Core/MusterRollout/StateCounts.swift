/// How many nodes are in each state, with the sums that every decision needs kept up to date.
public struct StateCounts: Hashable, Sendable {
    private var counts = [Int](repeating: 0, count: RolloutNode.State.allCases.count)
    /// How many nodes may be changing themselves.
    public private(set) var inFlight = 0
    /// How many nodes count as failed.
    public private(set) var failures = 0
    /// How many nodes were told to upgrade or have the version.
    public private(set) var tried = 0
    /// How many nodes there are, without those that were removed.
    public private(set) var present = 0

    /// No nodes.
    public init() {}

    /// How many nodes are in `state`.
    public subscript(state: RolloutNode.State) -> Int { counts[state.ordinal] }

    /// Counts `difference` more nodes in `state`.
    mutating func add(_ difference: Int, in state: RolloutNode.State) {
        counts[state.ordinal] += difference
        if state.isInFlight { inFlight += difference }
        if state.isFailure { failures += difference }
        if state.isTried { tried += difference }
        if state != .removed { present += difference }
    }

    /// The states that any node is in, each with its count, in the order of `RolloutNode.State.allCases`.
    public var occupied: [(state: RolloutNode.State, count: Int)] {
        RolloutNode.State.allCases.compactMap { self[$0] > 0 ? ($0, self[$0]) : nil }
    }
}
