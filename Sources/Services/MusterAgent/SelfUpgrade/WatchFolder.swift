import CanonicalJSON
import Glibc
import MusterSystem

/// The files of one upgrade of the agent itself, `<state>/watcher/`.
///
/// ```
/// muster-agent    the agent that is to be replaced: the watcher's program, 0700
/// plan.json       what there is to do; there is a watcher's work only while it exists
/// progress.json   how far the watcher is
/// verdict.json    whether the new agent stays
/// no.json         a verdict of no, ready for a disk that is full
/// lock            held by the watcher for its life
/// log             what watchers did
/// ```
/// Rule of compatibility: an agent, its watcher, and the agent that follows are of two versions, and each reads what the other
/// wrote. The meaning of a member never changes and none is taken away; a new one is optional, and who does not know it may
/// pass over it; a phase is never added without one release that reads it before the first that writes it. The same goes for
/// the journal and every other file of the node's state: what a version writes, the version before it can read.
public struct WatchFolder: Hashable, Sendable {
    /// The folder.
    public let path: String

    /// The folder at `path`.
    public init(_ path: String) {
        self.path = path
    }

    /// The watcher's program.
    public var program: String { path + "/muster-agent" }
    /// What there is to do.
    public var planFile: String { path + "/plan.json" }
    /// How far the watcher is.
    public var progressFile: String { path + "/progress.json" }
    /// Whether the new agent stays.
    public var verdictFile: String { path + "/verdict.json" }
    /// Held by the watcher.
    public var lock: String { path + "/lock" }
    /// What watchers did.
    public var log: String { path + "/log" }
    private var readyNo: String { path + "/no.json" }

    /// What there is to do; nil where nothing is.
    public func plan() throws(SystemError) -> WatchPlan? {
        try StateFile.load(planFile, limit: WatchPlan.byteLimit) { fields throws(JSONError) in try WatchPlan(fields) }
    }

    /// How far the watcher is.
    public func progress() throws(SystemError) -> WatchProgress {
        try StateFile.load(progressFile, limit: 65536) { fields throws(JSONError) in try WatchProgress(fields) }
            ?? WatchProgress()
    }

    /// Whether the new agent stays; nil where that is open.
    public func verdict() throws(SystemError) -> WatchVerdict? {
        try StateFile.load(verdictFile, limit: WatchVerdict.byteLimit) { fields throws(JSONError) in
            try WatchVerdict(fields)
        }
    }

    /// Writes the verdict unless there is one already.
    public func claim(_ verdict: WatchVerdict) throws(SystemError) {
        do throws(SystemError) {
            _ = try AtomicFile.create(verdict.json.jsonBytes, at: verdictFile)
        } catch {
            guard case .undone = verdict else { throw error }
            guard link(readyNo, verdictFile) == 0 || errno == EEXIST else {
                throw SystemError("write", verdictFile, errno: errno)
            }
            try Directory.sync(path)
        }
    }

    /// Whether a watcher has work to do and none is at it.
    public var needsWatcher: Bool {
        guard let plan = try? plan(), !plan.restart.isEmpty else { return false }
        if case .confirmed = try? verdict() { return false }
        if (try? progress())?.phase == .ended { return false }
        return (try? FileLock.tryAcquire(lock)) != nil
    }

    /// Puts everything there that a watcher needs but its plan; no watcher may be at work, nor begin while the lock that
    /// is returned is held.
    func place(program: String) throws(SystemError) -> FileLock {
        try Directory.create(path, mode: 0o700)
        let lock = try FileLock.acquire(self.lock)
        try empty()
        try AtomicFile.copy(program, to: self.program, mode: 0o700)
        let no = WatchVerdict.undone("the disk is full, so that more cannot be said")
        try AtomicFile.write(no.json.jsonBytes, to: readyNo)
        return lock
    }

    /// Says what there is to do, the last thing of all: from here on there is a watcher's work.
    func begin(_ plan: WatchPlan) throws(SystemError) {
        try StateFile.store(plan.json, planFile)
    }

    /// Removes everything once the watcher has ended; false where it has not.
    func clear() throws(SystemError) -> Bool {
        guard Directory.exists(path) else { return true }
        guard let lock = try FileLock.tryAcquire(lock) else { return false }
        defer { withExtendedLifetime(lock) {} }
        try empty()
        return true
    }

    /// Removes everything but the lock, which the caller holds.
    ///
    /// The plan goes first: without it the rest means nothing.
    func empty() throws(SystemError) {
        try AtomicFile.remove(planFile)
        for name in try Directory.entries(path) where name != Directory.name(of: lock) {
            try Directory.removeTree(path + "/" + name)
        }
        try Directory.sync(path)
    }
}
