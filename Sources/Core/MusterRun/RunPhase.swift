import ByteCoding
import MusterModel

extension Run {
    /// What a run as a whole is doing.
    public enum Phase: String, Hashable, Sendable, CaseIterable {
        /// Not every approval that the policy asks for is there.
        case waiting
        /// Approved, and its time has not come.
        case scheduled
        /// Nodes have their turns.
        case running
        /// No node has a turn any more; what began comes to its end.
        case stopping
        /// Every node's part is over.
        case ended
    }

    /// What came of a run.
    public enum Outcome: String, Hashable, Sendable, CaseIterable {
        /// Every node ran it well.
        case succeeded
        /// Some node did not.
        case failed
        /// An operator stopped it.
        case cancelled
        /// An operator denied it.
        case denied
        /// Its statement ended before every node had its turn.
        case expired
        /// More nodes failed than are allowed to.
        case halted
    }

    /// What a node's manifest has of a run.
    public enum Work: Hashable, Sendable {
        /// The statement, to be run.
        case run
        /// The id, to be ended.
        case cancel
    }

    /// What stopped a run before all its nodes had their turn.
    public enum Stop: Hashable, Sendable {
        case cancelled(reason: String, by: OperatorName)
        case denied(reason: String, by: OperatorName)
        case halted(reason: String)
        case expired(reason: String)

        /// Why, in words.
        public var reason: String {
            switch self {
            case .cancelled(let reason, let by): "cancelled by \(by)" + (reason.isEmpty ? "" : ": \(reason)")
            case .denied(let reason, let by): "denied by \(by)" + (reason.isEmpty ? "" : ": \(reason)")
            case .halted(let reason), .expired(let reason): reason
            }
        }

        /// Whether processes that run are ended, too.
        var endsProcesses: Bool {
            if case .cancelled = self { return true }
            return false
        }

        /// What becomes of a node that had no turn.
        var stateOfRest: RunNode.State {
            if case .expired = self { return .expired }
            return .notStarted
        }

        /// What becomes of a node that had the run and said nothing of it.
        var stateOfUnheard: RunNode.State {
            switch self {
            case .cancelled, .denied: .cancelled
            case .halted: .notStarted
            case .expired: .expired
            }
        }
    }

    /// Why it is where it is, in words; empty while nodes are at work and none waits for anything.
    public var reason: String {
        switch phase {
        case .waiting: "waits for approvals"
        case .scheduled: "approved; not before \(notBefore.map(\.description) ?? "now")"
        case .running: reasonOfWaiting
        case .stopping: (stop?.reason ?? "") + "; \(counts.inFlight) nodes have not ended yet"
        case .ended: stop.map(\.reason) ?? counts.summary
        }
    }

    private var reasonOfWaiting: String {
        guard counts[.waiting] > 0 else { return "" }
        let absent = limits.isByAgent ? nodes.count { $0.state == .waiting && !isPresent($0) } : 0
        if absent > 0, absent == counts[.waiting] {
            return "\(absent) nodes are not in contact: they have until \(expires)"
        }
        let turns = "\(counts[.waiting] - absent) nodes wait for their turn"
        return absent == 0 ? turns : turns + ", \(absent) are not in contact and have until \(expires)"
    }
}
