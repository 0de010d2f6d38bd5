/// How many nodes of a run are in each state.
public struct RunCounts: Hashable, Sendable {
    private var counts = [Int](repeating: 0, count: RunNode.State.allCases.count)
    /// How many may be running.
    public private(set) var inFlight = 0
    /// How many count as failed.
    public private(set) var failures = 0

    /// No nodes.
    public init() {}

    /// How many are in `state`.
    public subscript(state: RunNode.State) -> Int { counts[state.ordinal] }

    mutating func add(_ difference: Int, in state: RunNode.State) {
        counts[state.ordinal] += difference
        if state.isInFlight { inFlight += difference }
        if state.isFailure { failures += difference }
    }

    /// The states that any node is in, each with its count.
    public var occupied: [(state: RunNode.State, count: Int)] {
        RunNode.State.allCases.compactMap { self[$0] > 0 ? ($0, self[$0]) : nil }
    }

    /// The counts in words, such as `8 succeeded, 2 failed`.
    public var summary: String {
        occupied.map { "\($0.count) \($0.state.rawValue)" }.joined(separator: ", ")
    }
}
