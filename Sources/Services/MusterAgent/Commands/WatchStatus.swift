import CanonicalJSON
import MusterModel
import MusterSystem

/// An upgrade of the agent itself as `status` shows it.
struct WatchStatus: Sendable {
    private let plan: WatchPlan
    private let phase: WatchProgress.Phase

    /// What the watcher's files say; nil where there is none.
    init?(_ paths: AgentPaths) throws(SystemError) {
        guard let plan = try paths.watcher.plan() else { return nil }
        self.plan = plan
        phase = try paths.watcher.progress().phase
    }

    /// `waiting: 2.0 has 300 seconds from its restart to prove itself, or 1.0 is put back`.
    var text: String {
        "\(phase.rawValue): \(plan.release.version) has \(plan.seconds) seconds from its restart to prove itself, or "
            + "\(plan.previous.version) is put back"
    }

    var json: JSONValue {
        [
            "phase": .string(phase.rawValue), "version": .string(plan.release.version),
            "previous": .string(plan.previous.version), "seconds": .integer(plan.seconds),
        ]
    }
}
