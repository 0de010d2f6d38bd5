import ByteCoding
import MusterModel

/// One node's part in a rollout.
public struct RolloutNode: Hashable, Sendable {
    /// Where the node is on its way.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// Its turn has not come, or it came back and waits for the next free place.
        case waiting
        /// Not in contact, or with an obstacle: it holds up no stage, and is assigned when it is seen again without one.
        case skipped
        /// A manifest with the assignment was handed out, but the rollout stopped, or nothing was heard since. The node may
        /// still act on that manifest, so it keeps its place in flight.
        case withdrawn
        /// Its manifest carries the assignment.
        case assigned
        case downloading
        case verified
        case installing
        case confirming
        case confirmed
        /// It began and was not heard of until its deadline.
        case lost
        case failed
        case refused
        case rolledBack = "rolled-back"
        /// No longer in the fleet or no longer selected.
        case removed

        /// Whether the node may be changing itself: these count against the limit in flight.
        public var isInFlight: Bool {
            switch self {
            case .withdrawn, .assigned, .downloading, .verified, .installing, .confirming: true
            case .waiting, .skipped, .confirmed, .lost, .failed, .refused, .rolledBack, .removed: false
            }
        }

        /// Whether the node may be changing itself or have changed without a word of it: in flight, or lost.
        public var isUnsettled: Bool { isInFlight || self == .lost }

        /// Whether the node's manifest carries the assignment.
        public var isAssigned: Bool { isInFlight && self != .withdrawn }

        /// Whether the package manager has been at work.
        public var hasBegun: Bool { self == .installing || self == .confirming }

        /// Whether the node counts as failed.
        public var isFailure: Bool {
            switch self {
            case .lost, .failed, .refused, .rolledBack: true
            default: false
            }
        }

        /// Whether the node counts toward the size of a stage: it was told to upgrade, or has the version.
        public var isTried: Bool { isInFlight || isFailure || self == .confirmed }

        init(_ progress: NodeProgress.State) {
            self =
                switch progress {
                case .downloading: .downloading
                case .verified: .verified
                case .installing: .installing
                case .confirming: .confirming
                case .confirmed: .confirmed
                case .failed: .failed
                case .refused: .refused
                case .rolledBack: .rolledBack
                }
        }

        /// Reports move a node only up: whatever the order in which they arrive, the last word is the same.
        var order: Int {
            switch self {
            case .waiting, .skipped, .removed: 0
            case .assigned: 1
            case .downloading: 2
            case .verified, .withdrawn: 3
            case .installing: 4
            case .confirming: 5
            case .lost: 6
            case .failed, .refused: 7
            case .rolledBack: 8
            case .confirmed: 9
            }
        }

        /// Its place in `allCases`.
        var ordinal: Int {
            switch self {
            case .waiting: 0
            case .skipped: 1
            case .withdrawn: 2
            case .assigned: 3
            case .downloading: 4
            case .verified: 5
            case .installing: 6
            case .confirming: 7
            case .confirmed: 8
            case .lost: 9
            case .failed: 10
            case .refused: 11
            case .rolledBack: 12
            case .removed: 13
            }
        }
    }

    /// The node.
    public let id: NodeID
    /// Where it is on its way.
    public internal(set) var state: State
    /// The stage in which its turn came, counted from 0; nil before that.
    public internal(set) var stage: Int?
    /// When it was assigned, began, ended or was skipped: what its deadline is counted from.
    public internal(set) var since: UTCTime
    /// Why, in words; empty while all is well.
    public internal(set) var reason: String
    /// Why it may do nothing at present; nil where it may.
    public internal(set) var obstacle: String?
    /// The version that it had when it was assigned, as `Rollout.remember` was told; stored beside its part, not in it.
    public internal(set) var before = ""
    /// When a manifest with the assignment was handed out to it; nil where that never happened.
    var handedAt: UTCTime?
    /// Whether it was in contact again after that, so that it is known to have got it.
    var hasAnswered = false
    /// Whether it was ever assigned.
    var wasAssigned = false
    /// Whether it was counted among the failures.
    var hasFailed = false
    /// Whether it counts against the limits of its tags although it is lost: nobody knows in what state it is.
    var keepsPlace = false
    /// Which of the rollout's cohorts it is in.
    var cohort = 0
    /// What it reported of each of the strategy's metrics; empty where nothing is kept.
    var figures: [Figure] = []

    init(id: NodeID, state: State, since: UTCTime, reason: String = "") {
        self.id = id
        self.state = state
        self.since = since
        self.reason = reason
    }
}
