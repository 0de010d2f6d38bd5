import ByteCoding
import MusterModel

/// One node's part in a run.
public struct RunNode: Hashable, Sendable {
    /// How far a node is.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// Its turn has not come, or it is not in contact.
        case waiting
        /// Its manifest has the run; it has not said that it began.
        case assigned
        /// Its process began.
        case started
        /// It ran, and ended well.
        case succeeded
        /// It ran, and ended otherwise.
        case failed
        /// The node would not run it.
        case refused
        /// It may have run; nobody knows what came of it.
        case lost
        /// It was ended, or dropped, by an operator's cancellation.
        case cancelled
        /// The run expired before it began.
        case expired
        /// It did not begin, and will not: the reason says why.
        case notStarted = "not-started"

        /// Whether it takes a place: it may be running.
        public var isInFlight: Bool { self == .assigned || self == .started }

        /// Whether nothing more is waited for.
        public var isOver: Bool { self != .waiting && !isInFlight }

        /// Whether it counts toward the failures that stop a run.
        public var isFailure: Bool { self == .failed || self == .refused || self == .lost }

        /// Its place in `allCases`.
        var ordinal: Int {
            switch self {
            case .waiting: 0
            case .assigned: 1
            case .started: 2
            case .succeeded: 3
            case .failed: 4
            case .refused: 5
            case .lost: 6
            case .cancelled: 7
            case .expired: 8
            case .notStarted: 9
            }
        }
    }

    /// The node.
    public let id: NodeID
    /// How far it is.
    public internal(set) var state: State
    /// Since when it is in that state.
    public internal(set) var since: UTCTime
    /// Why, in words; empty while all is well.
    public internal(set) var reason: String
    /// When it was last given the run.
    public internal(set) var assigned: UTCTime?
    /// When it said that its process began.
    public internal(set) var started: UTCTime?
    /// Whether its end is what the node itself said; what was only concluded gives way to that.
    public internal(set) var isStated: Bool

    // What follows is not stored: after a restart it is taken for the worst that it can be.

    /// When the node was last in contact.
    var contact: UTCTime?
    /// When it last said anything about this run.
    var said: UTCTime?
    /// Whether a manifest with the run may have left for it.
    var isHanded = false
    /// When the first manifest without the run left for it.
    var told: UTCTime?

    /// A node's part as it was stored.
    public init(
        id: NodeID,
        state: State = .waiting,
        since: UTCTime = UTCTime(milliseconds: 0),
        reason: String = "",
        assigned: UTCTime? = nil,
        started: UTCTime? = nil,
        isStated: Bool = false
    ) {
        self.id = id
        self.state = state
        self.since = since
        self.reason = reason
        self.assigned = assigned
        self.started = started
        self.isStated = isStated
    }
}
