import ByteCoding
import Logging
import MusterModel
import MusterSystem
import PackageInstaller

/// Takes an upgrade from the phase in its journal to its end.
///
/// May be stopped between any two instructions; the next `run` begins at the phase that is on the disk. One function a
/// step: those before the installation are in `UpgradeRunner+Prepare.swift`, the others in `+Install` and `+Undo`. Until the
/// installation a newer manifest may take the assignment back: `UpgradeRunner+Withdraw.swift`.
public struct UpgradeRunner: Sendable {
    let state: NodeState
    let sources: PackageSources
    let restarts: UnitRestarts?
    let download: PackageDownload
    let authority: any FleetAuthority
    let health: any HealthChecking
    let reporting: any Reporting
    let queue: AssignmentQueue
    let checks: [HealthCheck]
    let selfUpgrade: SelfUpgrade?
    let secondNode: (any SecondNodeWaiting)?
    let clock: AgentClock
    let limits: UpgradeLimits
    let logger: Logger

    /// A runner; `checks` are those of the node itself, run after those of each release; `restarts` is nil where the
    /// packages are below a root of their own, since no service runs from there.
    public init(
        state: NodeState,
        sources: PackageSources,
        download: PackageDownload,
        authority: any FleetAuthority,
        health: any HealthChecking,
        reporting: any Reporting,
        service: any FleetService,
        runs: NodeRuns? = nil,
        checks: [HealthCheck] = [],
        selfUpgrade: SelfUpgrade? = nil,
        secondNode: (any SecondNodeWaiting)? = nil,
        visitor: Visitor? = nil,
        pins: [String: String] = [:],
        restarts: UnitRestarts? = nil,
        clock: AgentClock,
        limits: UpgradeLimits = UpgradeLimits(),
        logger: Logger
    ) {
        self.state = state
        self.sources = sources
        self.restarts = restarts
        self.download = download
        self.authority = authority
        self.health = health
        self.reporting = reporting
        self.checks = checks
        self.selfUpgrade = selfUpgrade
        self.secondNode = secondNode
        self.clock = clock
        self.limits = limits
        self.logger = logger
        queue = AssignmentQueue(
            state: state,
            authority: authority,
            service: service,
            runs: runs,
            visitor: visitor,
            pins: pins,
            clock: clock,
            logger: logger
        )
    }

    /// Finishes or undoes what the journal says; returns when there is no journal any more.
    public func run() async throws(UpgradeStop) {
        if let journal = await state.journal, try await !isWatched(journal) { try await resume(journal) }
        while let journal = await state.journal {
            try ensureRunning()
            log(journal)
            if try await attendSelf(journal) { continue }
            switch journal.phase {
            case .assigned: try await persevere(journal, fetch)
            case .downloaded: try await persevere(journal, verify)
            case .verified: try await persevere(journal, secure)
            case .saved: try await begin(journal)
            case .installing: try await whileListening { () throws(UpgradeStop) in try await install(journal) }
            case .confirming: try await whileListening { () throws(UpgradeStop) in try await confirm(journal) }
            case .rollingBack: try await whileListening { () throws(UpgradeStop) in try await putBack(journal) }
            case .done, .rolledBack, .refused, .failed, .withdrawn: try await settle(journal)
            }
        }
    }

    /// Puts an event into the journal; on a full disk in the room that is kept for the way back.
    func apply(_ event: UpgradeJournal.Event) async throws(UpgradeStop) {
        try await stored { () async throws(SystemError) in try await state.apply(event, at: clock.now()) }
    }

    /// Writes; on a full disk once more, in the room that is kept for the way back.
    func stored(_ write: () async throws(SystemError) -> Void) async throws(UpgradeStop) {
        do throws(SystemError) {
            do throws(SystemError) {
                try await write()
            } catch {
                guard error.isDiskFull else { throw error }
                reserve.release()
                try await write()
            }
        } catch {
            throw .storage(error)
        }
    }

    /// Room on the disk for the way back.
    var reserve: RollbackReserve { RollbackReserve(path: state.paths.reserve) }

    /// Repeats a step that changed nothing yet, waiting longer each time; gives up in the end.
    func persevere(
        _ journal: UpgradeJournal,
        _ step: (UpgradeJournal) async throws(UpgradeStop) -> StepResult
    ) async throws(UpgradeStop) {
        var backoff = Backoff(limits.retry, seed: clock.random())
        while true {
            switch try await step(journal) {
            case .done(let event):
                try ensureRunning()
                return try await apply(event)
            case .withdrawn: return try ensureRunning()
            case .retry(let reason):
                try ensureRunning()
                guard let wait = backoff.next() else { return try await apply(.failed(reason)) }
                await announce(wait, because: reason)
                guard try await whileCarried({ await sleep(wait) }) != nil else { return }
                try ensureRunning()
            case .closed(let reason, let until):
                try ensureRunning()
                let left = max(1000, until.milliseconds - clock.now().milliseconds)
                let wait = Duration.milliseconds(min(left, limits.holdPause))
                await announce(wait, because: "waits until \(until.wholeSeconds): \(reason)")
                guard try await whileCarried({ await sleep(wait) }) != nil else { return }
                try ensureRunning()
                backoff.reset()
            }
        }
    }

    /// Waits before another attempt, and lets the service know why.
    func pause(_ wait: Duration, because reason: String) async throws(UpgradeStop) {
        await announce(wait, because: reason)
        guard await sleep(wait) else { throw .cancelled }
    }

    private func announce(_ wait: Duration, because reason: String) async {
        logger.warning("upgrade waits", metadata: ["reason": "\(reason)", "wait": "\(wait)"])
        await state.setNote(reason)
        _ = await reporting.report(within: limits.courtesySeconds)
    }

    /// Whether the wait was not cut short.
    func sleep(_ wait: Duration) async -> Bool {
        (try? await clock.sleep(wait)) != nil
    }

    func ensureRunning() throws(UpgradeStop) {
        if Task.isCancelled { throw .cancelled }
    }

    /// What the package manager says; waits for an answer as long as it takes.
    func packageState(_ release: ReleaseDescription) async throws(UpgradeStop) -> PackageState {
        var backoff = Backoff(limits.putBack, seed: clock.random())
        while true {
            do throws(PackageError) {
                return try await sources.source(release.format).state(of: release.package)
            } catch {
                try await pause(backoff.next() ?? .seconds(60), because: error.message)
            }
        }
    }

    private func log(_ journal: UpgradeJournal) {
        logger.info(
            "upgrade",
            metadata: [
                "rollout": "\(journal.rollout)", "package": "\(journal.release.package)",
                "version": "\(journal.release.version)", "phase": "\(journal.phase.rawValue)",
                "reason": "\(journal.reason)",
            ]
        )
    }
}
