import MusterModel

extension Rollout {
    /// What a rollout as a whole is doing.
    public enum Phase: Hashable, Sendable {
        /// Not every approval that the policy asks for is there.
        case awaitingApproval
        /// Nodes are being assigned, or a gate or skipped nodes are waited for.
        case running
        /// Stopped until an operator resumes: by that operator, or by itself where `by` is nil.
        case halted(reason: String, by: OperatorName?)
        /// Over: every selected node is done.
        case completed
        /// Over: an operator ended it.
        case cancelled(reason: String, by: OperatorName)
        /// Over: its statement expired.
        case expired(reason: String)

        /// The phase's name in documents.
        public var name: String {
            switch self {
            case .awaitingApproval: "waiting-for-approval"
            case .running: "running"
            case .halted: "halted"
            case .completed: "complete"
            case .cancelled: "cancelled"
            case .expired: "expired"
            }
        }

        /// Why the rollout is halted or was ended; empty otherwise.
        public var reason: String {
            switch self {
            case .awaitingApproval, .running, .completed: ""
            case .halted(let reason, _), .cancelled(let reason, _), .expired(let reason): reason
            }
        }

        /// The operator who halted or cancelled; nil where it happened by itself.
        public var by: OperatorName? {
            switch self {
            case .halted(_, let by): by
            case .cancelled(_, let by): by
            case .awaitingApproval, .running, .completed, .expired: nil
            }
        }

        /// Whether anything can still be assigned, now or after a resume.
        public var isOpen: Bool {
            switch self {
            case .awaitingApproval, .running, .halted: true
            case .completed, .cancelled, .expired: false
            }
        }
    }
}
