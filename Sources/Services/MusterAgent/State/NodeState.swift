import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem

/// Called after each phase that is on the disk.
public typealias JournalObserver = @Sendable (UpgradePhase) -> Void

/// What the node knows of itself, in memory as it is on the disk: a change that cannot be written is not made.
public actor NodeState {
    /// Its files.
    public nonisolated let paths: AgentPaths
    /// Sequence, tags, queue, what is installed, how upgrades ended.
    public private(set) var memory: NodeMemory
    /// The upgrade that is going on.
    public private(set) var journal: UpgradeJournal?
    /// Statements that were obeyed.
    public private(set) var executed: ExecutedStatements
    /// Why the node does nothing; empty while all is well.
    ///
    /// Not kept.
    public private(set) var hold = ""
    /// Assignments whose hour has not come.
    ///
    /// Not kept: they are judged anew.
    public private(set) var held: [RolloutID: UpgradeHold] = [:]
    /// Why the present step takes another attempt; empty while all is well.
    ///
    /// Not kept.
    public private(set) var note = ""
    /// What trust was established last: versions of the TUF timestamp and of the policy.
    ///
    /// Not kept.
    public private(set) var trusted: (timestamp: Int64, policy: Int64) = (0, 0)
    private let observer: JournalObserver
    private var tagsObserver: @Sendable () -> Void = {}

    /// Reads the files of an enrolled node.
    public init(
        _ paths: AgentPaths,
        enrollment: Enrollment,
        observer: @escaping JournalObserver = { _ in }
    ) throws(SystemError) {
        try paths.create()
        self.paths = paths
        self.observer = observer
        memory =
            try StateFile.load(paths.memory, limit: NodeMemory.byteLimit) { fields throws(JSONError) in
                try NodeMemory(fields)
            } ?? NodeMemory(enrollment)
        journal = try StateFile.load(paths.journal, limit: UpgradeJournal.byteLimit) { fields throws(JSONError) in
            try UpgradeJournal(fields)
        }
        executed =
            try StateFile.load(paths.executed, limit: ExecutedStatements.byteLimit) { fields throws(JSONError) in
                try ExecutedStatements(fields)
            } ?? ExecutedStatements()
    }

    /// Changes the memory, on the disk first.
    public func change(_ body: @Sendable (inout NodeMemory) -> Void) throws(SystemError) {
        var changed = memory
        body(&changed)
        guard changed != memory else { return }
        try StateFile.store(changed.json, paths.memory)
        let isTagged = changed.tags != memory.tags
        memory = changed
        if isTagged { tagsObserver() }
    }

    /// Has `observer` called whenever the node's tags have changed.
    public func observeTags(_ observer: @escaping @Sendable () -> Void) {
        tagsObserver = observer
    }

    /// Begins the journal of an upgrade.
    public func begin(_ journal: UpgradeJournal) throws(SystemError) {
        try write(journal)
    }

    /// Takes an event; when this returns, it is on the disk.
    @discardableResult
    public func apply(_ event: UpgradeJournal.Event, at time: UTCTime) throws(SystemError) -> UpgradeJournal {
        guard var changed = journal else { throw SystemError("change", paths.journal, because: "there is none") }
        do throws(UpgradeJournal.WrongEvent) {
            try changed.apply(event, at: time)
        } catch {
            throw SystemError("change", paths.journal, because: "\(error.event) does not follow \(error.phase)")
        }
        try write(changed)
        return changed
    }

    /// Uses up a statement's id.
    public func execute(_ statement: Statement, at time: UTCTime) throws(SystemError) {
        guard !executed.contains(statement.id) else { return }
        var changed = executed
        changed.insert(statement, at: time)
        try StateFile.store(changed.json, paths.executed)
        executed = changed
    }

    /// Uses up a statement's id; false where it was used before.
    public func executeOnce(_ statement: Statement, at time: UTCTime) throws(SystemError) -> Bool {
        guard !executed.contains(statement.id) else { return false }
        try execute(statement, at: time)
        return true
    }

    /// Puts an ended upgrade among the remembered ones and removes its journal.
    public func settle(version: String, installed: InstalledRelease?) throws(SystemError) {
        guard let ended = journal else { return }
        try change { memory in
            memory.remember(ended.progress(version: version))
            memory.queue.removeAll { $0.rollout == ended.rollout }
            if let installed { memory.installed[ended.release.package] = installed }
        }
        try AtomicFile.remove(paths.journal)
        journal = nil
        note = ""
    }

    /// Says why the node does nothing; empty when it does its work again.
    ///
    /// True when that is news.
    @discardableResult
    public func setHold(_ reason: String) -> Bool {
        defer { hold = reason.bounded(2048) }
        return hold != reason.bounded(2048)
    }

    /// Says which assignments wait for their hour; true when that is news.
    @discardableResult
    public func setHeld(_ holds: [RolloutID: UpgradeHold]) -> Bool {
        var changed = holds
        for (rollout, hold) in holds {
            // Since when it waits, not since when it was looked at last.
            if let known = held[rollout], known.until == hold.until, known.package == hold.package {
                changed[rollout] = known
            }
        }
        defer { held = changed }
        return held != changed
    }

    /// Says why the present step takes another attempt.
    public func setNote(_ text: String) { note = text }

    /// Says what is trusted now.
    public func setTrusted(timestamp: Int64, policy: Int64) { trusted = (timestamp, policy) }

    private func write(_ changed: UpgradeJournal) throws(SystemError) {
        try StateFile.store(changed.json, paths.journal)
        if journal?.phase != changed.phase { note = "" }
        journal = changed
        observer(changed.phase)
    }
}
