import ByteCoding
import CanonicalJSON
import MusterSystem

/// Which supervisor was about to start the process, in the file `started`: from then on the process may have run.
///
/// ```
/// {"supervisor": 1234, "ticks": 567890, "boot": "…", "at": 1700000000000}
/// ```
public struct SupervisorStart: Hashable, Sendable {
    /// The supervisor's process id, which is also the process's session.
    public let supervisor: Int32
    /// When it was started, in clock ticks since the boot.
    public let ticks: UInt64
    /// The boot.
    public let boot: String
    /// When, by the node's clock.
    public let at: UTCTime

    /// This very process, now.
    static func own(at time: UTCTime) -> SupervisorStart {
        let id = Int32(ProcessTable.ownID)
        return SupervisorStart(
            supervisor: id,
            ticks: ProcessTable.entry(id)?.started ?? 0,
            boot: HostFacts.bootID(),
            at: time
        )
    }

    init(supervisor: Int32, ticks: UInt64, boot: String, at: UTCTime) {
        self.supervisor = supervisor
        self.ticks = ticks
        self.boot = boot
        self.at = at
    }

    init(_ fields: JSONFields) throws(JSONError) {
        supervisor = Int32(try fields.integer("supervisor", in: 1...Int64(Int32.max)))
        ticks = UInt64(try fields.integer("ticks"))
        boot = try fields.string("boot", limit: 64)
        at = try fields.milliseconds("at")
    }

    var json: JSONValue {
        [
            "supervisor": .integer(Int64(supervisor)), "ticks": .integer(Int64(clamping: ticks)),
            "boot": .string(boot), "at": .integer(at.milliseconds),
        ]
    }

    /// What is left of the run in the supervisor's session, where the supervisor itself is gone.
    ///
    /// Known by the session and by the run's id in the environment, since a session's number may be used again. A daemon
    /// that made a session of its own is not among them, as after a run that ended well.
    func leftovers(of run: String) -> [ProcessTable.Entry] {
        guard boot == HostFacts.bootID() else { return [] }
        return ProcessTable().entries.filter { entry in
            entry.session == supervisor && entry.id != supervisor && !entry.isEnded
                && ProcessTable.environment(of: entry.id, contains: "MUSTER_RUN=" + run)
        }
    }
}
