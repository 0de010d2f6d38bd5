// The watcher of an upgrade of the agent itself: `muster-agent watch-upgrade`, a process of its own.
//
// Parties: the old agent, which judged and prepared everything and whose very program the watcher is; the package manager, which
// the watcher runs, so that no restart of the agent disturbs it; the new agent, which has to prove itself (its checks passed,
// the service has its report, and has it again after a while in the same life) and then says so in the verdict.
// Where the time is over, or the new agent itself says no, the watcher puts the version before back and restarts that.
// It needs no network, no trust and no configuration: all that it needs is in its folder (`WatchFolder`).
// It may be killed anywhere: whoever takes over (the next agent that starts, old or new, or systemd) goes on from the files.
// Deadlines are of the clock that only goes forward; a boot in between gives the new agent its whole time once more.

import Logging
import MusterModel
import MusterSystem
import PackageInstaller

/// Installs the new agent, and puts the one before back unless the new one proves itself.
public struct UpgradeWatcher: Sendable {
    /// How patient a watcher is.
    public struct Limits: Sendable {
        /// Before anything was changed: waiting for another user of the package manager, or for space on the disk.
        public var retry = Backoff.Policy(attempts: 8, first: 1000, longest: 60000)
        /// Putting the version before back: for ever.
        public var putBack = Backoff.Policy(attempts: nil, first: 1000, longest: 300_000)
        /// Milliseconds between two looks at the verdict.
        public var tick: Int64 = 250
        /// Seconds that the command which restarts the agent may take.
        public var restartSeconds: Int64 = 180
        /// How often the installation is begun, and how often the new agent gets its time, boots in between.
        public var attempts = 3

        /// The limits for use.
        public init() {}
    }

    let plan: WatchPlan
    let paths: AgentPaths
    let folder: WatchFolder
    let installer: any PackageInstalling
    let restart: @Sendable ([String]) async -> String?
    let clock: AgentClock
    let boot: String
    let limits: Limits
    let logger: Logger
    var progress: WatchProgress

    /// A watcher that goes on where the files say; `restart` runs a command and says why it failed.
    public init(
        _ plan: WatchPlan,
        paths: AgentPaths,
        installer: any PackageInstalling,
        restart: @escaping @Sendable ([String]) async -> String?,
        clock: AgentClock = .system,
        boot: String = HostFacts.bootID(),
        limits: Limits = Limits(),
        logger: Logger
    ) throws(SystemError) {
        self.plan = plan
        self.paths = paths
        self.installer = installer
        self.restart = restart
        self.clock = clock
        self.boot = boot
        self.limits = limits
        self.logger = logger
        folder = paths.watcher
        progress = try paths.watcher.progress()
    }

    /// Works until the new agent stays or the one before is back; returns early only where the task is cancelled.
    public mutating func run() async {
        await resume()
        while progress.phase != .ended, !Task.isCancelled {
            logger.info("watching", metadata: ["phase": "\(progress.phase.rawValue)", "begun": "\(progress.begun)"])
            switch verdict() {
            case .confirmed: enter(.ended)
            case .undone(let reason) where progress.phase.isForward:
                logger.warning("the version before is put back", metadata: ["reason": "\(reason)"])
                enter(.puttingBack)
            case .undone, nil:
                switch progress.phase {
                case .prepared, .installing: await install()
                case .restarting: await restartNew()
                case .waiting: await wait()
                case .puttingBack: await putBack()
                case .returning: await bringBack()
                case .ended: break
                }
            }
        }
        logger.info("watched", metadata: ["verdict": "\(verdict().map { "\($0)" } ?? "none")"])
    }

    /// A verdict that cannot be read is none that anybody may rely on.
    func verdict() -> WatchVerdict? {
        do throws(SystemError) {
            return try folder.verdict()
        } catch {
            return .undone("\(error)")
        }
    }

    /// Says no, unless the verdict is there already.
    func refuse(_ reason: String) async {
        do throws(SystemError) {
            try folder.claim(.undone(reason))
        } catch {
            logger.error("the verdict cannot be written", metadata: ["reason": "\(error)"])
            await pause(1000)
        }
    }

    /// Enters a phase; where the disk does not take it, a watcher that follows begins earlier.
    mutating func enter(_ phase: WatchProgress.Phase) {
        progress.phase = phase
        if let error = store() { logger.warning("progress is not kept", metadata: ["reason": "\(error)"]) }
    }

    func store() -> SystemError? {
        do throws(SystemError) {
            try StateFile.store(progress.json, folder.progressFile)
            return nil
        } catch {
            return error
        }
    }

    func pause(_ milliseconds: Int64) async {
        try? await clock.sleep(.milliseconds(milliseconds))
    }

    /// What the package manager says; waits for an answer as long as it takes.
    func found() async -> PackageState? {
        var backoff = Backoff(limits.putBack, seed: clock.random())
        while !Task.isCancelled {
            do throws(PackageError) {
                return try await installer.state(of: plan.release.package)
            } catch {
                logger.warning("no word from the package manager", metadata: ["reason": "\(error)"])
                try? await clock.sleep(backoff.next() ?? .seconds(60))
            }
        }
        return nil
    }
}
