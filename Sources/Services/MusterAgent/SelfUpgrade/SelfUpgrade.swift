import ByteCoding
import Logging
import MusterModel
import MusterSystem
import Synchronization

/// The agent's side of an upgrade of itself: it prepares the watcher, and tells how things are by the watcher's files.
///
/// The journal stays the agent's and the one truth about the upgrade; the files in `WatchFolder` say how far a step of it is.
public final class SelfUpgrade: Sendable {
    /// How things are.
    enum Outlook: Equatable, Sendable {
        /// The watcher is at work.
        case pending
        /// This very process is the new agent, and has to prove itself.
        case mustProve
        /// The new agent has proved itself; which of its checks could not be asked here, if any.
        case confirmed(String)
        /// The version before is there, for this reason; `untouched` where it was never gone.
        case undone(String, untouched: Bool)
    }

    /// Seconds that a new agent may take to start.
    private static let startSeconds: Int64 = 10
    /// How long a watcher that was just started is given before another one is, in milliseconds.
    private static let startTime: Int64 = 5000

    /// What the owner decided.
    let options: SelfUpgradeOptions
    private let paths: AgentPaths
    private let root: String
    private let launcher: WatcherLauncher
    private let process: OwnProcess
    private let logger: Logger
    private let launched = Mutex<(at: Int64, program: DetachedProgram, isEndTold: Bool)?>(nil)

    /// The upgrades of the agent with these files.
    public convenience init(_ paths: AgentPaths, root: String, options: SelfUpgradeOptions, logger: Logger) {
        self.init(paths, root: root, options: options, launcher: .usual, process: .current, logger: logger)
    }

    init(
        _ paths: AgentPaths,
        root: String,
        options: SelfUpgradeOptions,
        launcher: WatcherLauncher,
        process: OwnProcess,
        logger: Logger
    ) {
        self.paths = paths
        self.root = root
        self.options = options
        self.launcher = launcher
        self.process = process
        self.logger = logger
    }

    private var folder: WatchFolder { paths.watcher }

    /// Whether a journal is of the agent's own package, and there is a version to go back to.
    ///
    /// The first package on a node where the agent came otherwise is an upgrade like any other: the agent that runs is not it.
    func isOwn(_ journal: UpgradeJournal) -> Bool {
        guard case .file = journal.source else { return false }
        return journal.release.package == options.package
    }

    /// Whether a watcher was prepared for this journal.
    ///
    /// No watcher begins by a plan that nobody can read: where none is at work either, it is removed.
    func isWatched(_ journal: UpgradeJournal) throws(SystemError) -> Bool {
        do throws(SystemError) {
            return try folder.plan()?.rollout == journal.rollout
        } catch {
            guard error.code == 0, try folder.clear() else { throw error }
            logger.error("the plan of a watcher was removed", metadata: ["reason": "\(error)"])
            return false
        }
    }

    /// Why the agent cannot upgrade itself here; nil where it can.
    var obstacle: String? {
        guard options.restartCommand == nil else { return nil }
        return
            "nothing on this node can restart the agent: systemd does not run it, and its configuration does not say "
            + "how (\"self_upgrade\": {\"restart\": [COMMAND]})"
    }

    /// Puts the program that runs on the disk, sees that it starts, and then says there what it has to do as the watcher.
    ///
    /// A new agent gets the owner's time, or what its proof may take at the longest, `proofSeconds`, where that is more.
    func prepare(_ journal: UpgradeJournal, proofSeconds: Int64) async throws(SystemError) {
        guard case .file(let previous) = journal.source, let restart = options.restartCommand else {
            throw SystemError("watch", options.package, because: obstacle ?? "there is no way back")
        }
        let seconds = max(options.watchSeconds, proofSeconds + options.steadySeconds + Self.startSeconds)
        let plan = WatchPlan(
            rollout: journal.rollout,
            release: journal.release,
            file: journal.installedRelease,
            previous: previous,
            root: root,
            restart: restart,
            seconds: min(seconds, WatchPlan.secondsLimit)
        )
        guard StoredPackage.open(paths.saved(previous), previous) != nil else {
            throw SystemError("watch", options.package, because: "\(paths.saved(previous)) is damaged or gone")
        }
        let lock = try folder.place(program: "/proc/self/exe")
        defer { withExtendedLifetime(lock) {} }
        do throws(SystemError) {
            try await tryProgram()
            try folder.begin(plan)
        } catch {
            // What stays is removed before the next attempt.
            try? folder.empty()
            throw error
        }
    }

    /// Whether the program that was copied starts at all: an error says why not.
    private func tryProgram() async throws(SystemError) {
        let result = try await Command(folder.program, ["--version"]).run(timeout: .seconds(60))
        guard result.succeeded else {
            throw SystemError(
                "start",
                folder.program,
                because: "it \(result.endingText): \(result.errorText.bounded(512))"
            )
        }
    }

    /// Starts the watcher where it has work to do and none is at it.
    func keepWatcher(at now: Int64) {
        launched.withLock { launched in
            if let last = launched, last.program.hasEnded(), !last.isEndTold {
                launched?.isEndTold = true
                tellEnd(last.program)
            }
            if let last = launched, now - last.at < Self.startTime { return }
            guard folder.needsWatcher else { return }
            do throws(SystemError) {
                launched = (now, try launcher.launch(paths), false)
                logger.notice("the watcher was started", metadata: ["program": "\(folder.program)"])
            } catch {
                logger.error("the watcher does not start", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Where systemd was to start the watcher: what it had against it, if anything.
    ///
    /// A watcher of our own ends when it is done, and has a log.
    private func tellEnd(_ program: DetachedProgram) {
        let complaint = program.complaint
        guard launcher.services != nil, !complaint.isEmpty else { return }
        logger.error("the watcher was not started", metadata: ["reason": "\(complaint)"])
    }

    /// How things are by the watcher's files.
    func outlook() throws(SystemError) -> Outlook {
        let progress = try folder.progress()
        switch try folder.verdict() {
        case .confirmed(let note): return .confirmed(note)
        case .undone(let reason):
            guard progress.phase == .ended else { return .pending }
            return .undone(reason, untouched: !progress.hasChanged && !progress.hasRestarted)
        case nil:
            guard progress.phase.isForward, process.isRestarted(progress), !OwnProcess.isReplaced else {
                return .pending
            }
            return .mustProve
        }
    }

    /// Says whether the new agent stays, unless that is decided.
    func claim(_ verdict: WatchVerdict) throws(SystemError) {
        try folder.claim(verdict)
    }

    /// Whether the watcher has nothing left to do but to end.
    var isDecided: Bool { Directory.exists(folder.verdictFile) }

    /// Removes the watcher's files; false while it is still there.
    func clear() throws(SystemError) -> Bool { try folder.clear() }

    /// Until when the new agent must have proved itself, were it restarted now.
    func proofEnd(from now: UTCTime) -> UTCTime {
        now.adding(seconds: (try? folder.plan())?.seconds ?? options.watchSeconds)
    }

    /// What is going on, for reports.
    func note(_ journal: UpgradeJournal) -> String {
        let seconds = (try? folder.plan())?.seconds ?? options.watchSeconds
        return "the agent upgrades itself, watched by its \(journal.source?.version ?? "own") program: the new one has "
            + "\(seconds) seconds from its restart to prove itself, or the one before is put back"
    }
}
