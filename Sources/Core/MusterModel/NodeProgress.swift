import ByteCoding
import CanonicalJSON

/// How far one node is with one rollout, as it reports it.
public struct NodeProgress: Hashable, Sendable {
    /// The steps of an upgrade, in order, and the ways in which it ends.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// The node knows of its assignment and fetches the package.
        case downloading
        /// The package and everything that allows it were verified.
        case verified
        /// The package manager is at work: from here on lost contact counts as failure.
        case installing
        /// Installed; health checks run and the service must be reached.
        case confirming
        /// The new version works and stays.
        case confirmed
        /// The node never changed: it could not fetch or install (it may try again).
        case failed
        /// The node does not believe what it was told, with the reason.
        case refused
        /// The new version did not work; the previous one is back.
        case rolledBack = "rolled-back"

        /// Whether nothing more will come of this rollout on the node by itself.
        public var isFinal: Bool {
            switch self {
            case .downloading, .verified, .installing, .confirming: false
            case .confirmed, .failed, .refused, .rolledBack: true
            }
        }
    }

    /// The rollout.
    public let rollout: RolloutID
    /// The step.
    public let state: State
    /// The package's version that is installed now; empty where none is.
    public let version: String
    /// Why, in words, at most 2048 bytes; empty while all is well.
    public let reason: String
    /// When the node entered the step, by its own clock.
    public let at: UTCTime

    /// A report of progress.
    public init(rollout: RolloutID, state: State, version: String, reason: String, at: UTCTime) {
        self.rollout = rollout
        self.state = state
        self.version = version
        self.reason = reason
        self.at = at
    }

    /// Reads a report of progress.
    public init(_ fields: JSONFields) throws(JSONError) {
        rollout = try fields.name("rollout")
        let name = try fields.string("state", limit: 32)
        guard let state = State(rawValue: name) else { throw fields.error("state", "unknown state '\(name)'") }
        self.state = state
        version = try fields.string("version", limit: 256)
        reason = try fields.string("reason", limit: 2048)
        at = try fields.milliseconds("at")
    }

    /// The report as it is sent.
    public var json: JSONValue {
        [
            "rollout": JSONValue(rollout), "state": .string(state.rawValue), "version": .string(version),
            "reason": .string(reason), "at": .integer(at.milliseconds),
        ]
    }
}
