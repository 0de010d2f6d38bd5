import CanonicalJSON
import MusterModel
import MusterSystem

/// The folder `runs`: one folder for each run that this node knows of.
public struct RunShelf: Sendable {
    private let folder: String

    /// The runs below this folder.
    public init(_ paths: AgentPaths) {
        folder = paths.runs
    }

    /// The folder of one run.
    public func folder(_ run: RunID) -> RunFolder { RunFolder(folder + "/" + run.text) }

    /// All runs in the order in which they came in.
    ///
    /// A folder without a record is a run that was never taken in whole, and holds nothing; a damaged record is a run that
    /// must not begin again, whatever it was: `damaged` is called with its id.
    public func load(damaged: (RunID, SystemError) -> Void) throws(SystemError) -> [NodeRun] {
        guard Directory.exists(folder) else { return [] }
        var runs: [NodeRun] = []
        for name in try Directory.entries(folder) {
            guard let id = RunID(name) else { continue }
            do throws(SystemError) {
                if let run = try read(id) { runs.append(run) }
            } catch {
                damaged(id, error)
            }
        }
        return runs.sorted { $0.isBefore($1) }
    }

    /// What is known of a run; nil where there is no such run.
    public func read(_ id: RunID) throws(SystemError) -> NodeRun? {
        let path = self.folder(id).record
        let run = try StateFile.load(path, limit: NodeRun.byteLimit) { fields throws(JSONError) in try NodeRun(fields) }
        guard run == nil || run?.id == id else {
            throw SystemError("understand", path, because: "it is of another run")
        }
        return run
    }

    /// Keeps what is known of a run.
    func store(_ run: NodeRun) throws(SystemError) {
        try Directory.create(folder(run.id).path, mode: 0o700)
        try StateFile.store(run.json, folder(run.id).record)
    }

    /// Whether there is anything of such a run.
    func has(_ run: RunID) -> Bool { Directory.exists(folder(run).path) }

    /// Removes a run with everything that is kept of it.
    func remove(_ run: RunID) throws(SystemError) {
        let folder = folder(run)
        try folder.empty()
        try AtomicFile.remove(folder.record)
        try Directory.remove(folder.path)
    }
}
