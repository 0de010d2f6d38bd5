import CanonicalJSON
import MusterModel
import MusterSystem

/// The files of one run, `<state>/runs/<id>/`.
///
/// ```
/// run.json     what the agent knows of it: the agent's alone
/// lock         held by the supervisor for its life; made by nobody else but whoever settles a run without one
/// started      which supervisor is about to start the process: from then on it may have run
/// output       frames, appended by the supervisor
/// cancel       made by the agent: the process shall end
/// result.json  how it ended, in the supervisor's words; its space was reserved before the start
/// ```
/// The lock decides who speaks: a supervisor that finds a result, or the lock taken, starts nothing.
public struct RunFolder: Hashable, Sendable {
    /// The folder.
    public let path: String

    /// The folder at `path`.
    public init(_ path: String) {
        self.path = path
    }

    /// What the agent knows of the run.
    public var record: String { path + "/run.json" }
    /// Held by the supervisor.
    public var lock: String { path + "/lock" }
    /// Which supervisor started the process.
    public var started: String { path + "/started" }
    /// What the process wrote.
    public var output: String { path + "/output" }
    /// There where the process shall end.
    public var cancel: String { path + "/cancel" }
    /// How the run ended.
    public var result: String { path + "/result.json" }

    /// Whether a supervisor, or somebody in its place, has ever been at work here.
    public var wasBegun: Bool {
        [lock, started, output, result].contains { Directory.exists($0) }
    }

    /// How the run ended; nil while that is not known.
    public func outcome() throws(SystemError) -> RunOutcome? {
        try StateFile.load(result, limit: RunOutcome.byteLimit) { fields throws(JSONError) in try RunOutcome(fields) }
    }

    /// Which supervisor started the process; nil where none has.
    public func start() throws(SystemError) -> SupervisorStart? {
        try StateFile.load(started, limit: 4096) { fields throws(JSONError) in try SupervisorStart(fields) }
    }

    /// Removes everything but the record.
    func empty() throws(SystemError) {
        for name in try Directory.entries(path) where name != Directory.name(of: record) {
            try AtomicFile.remove(path + "/" + name)
        }
    }
}
