import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem

/// One run as `status` shows it.
struct RunStatus: Sendable {
    /// How many ended runs are shown.
    private static let endedLimit = 10

    let run: NodeRun
    let start: UTCTime?

    /// Those that wait or go on, and the last ones that ended, in the order in which they came in.
    static func read(_ paths: AgentPaths) throws(SystemError) -> [RunStatus] {
        let shelf = RunShelf(paths)
        let known = try shelf.load { _, _ in }.filter { $0.phase != .forgotten }
        let ended = Set(known.filter { $0.phase == .ended }.suffix(endedLimit).map(\.id))
        return known.filter { $0.phase != .ended || ended.contains($0.id) }.map { run in
            RunStatus(run: run, start: (try? shelf.folder(run.id).start())?.at)
        }
    }

    /// `waiting`, `waiting until …`, `starting`, `running since …`, or how it ended.
    private var state: String {
        switch run.phase {
        case .accepted: run.notBefore.map { "waiting until \($0.wholeSeconds)" } ?? "waiting"
        case .starting: start.map { "running since \($0.wholeSeconds)" } ?? "starting"
        case .ended, .forgotten: run.outcome?.text ?? "ended"
        }
    }

    private var isUnknownToService: Bool { run.phase == .ended && run.delivered == nil }

    var text: String {
        let note = isUnknownToService ? " (the service does not know yet)" : ""
        return "\(run.id) \(run.command) for \(run.requester): \(state)\(note)"
    }

    var json: JSONValue {
        [
            "run": .string(run.id.text), "command": .string(run.command), "requester": .string(run.requester),
            "phase": .string(run.phase.rawValue), "taken": .integer(run.taken.milliseconds),
            "outcome": run.outcome?.json ?? .null, "delivered": .bool(run.delivered != nil),
        ]
    }
}
