import ByteCoding
import Logging
import MusterModel
import MusterSystem
import PackageInstaller

/// Upgrades of the agent itself, where the watcher does what the agent does for all other packages: see `UpgradeWatcher`.
extension UpgradeRunner {
    /// Milliseconds between two looks at the watcher's files.
    private static let tick: Int64 = 300
    /// How often the end of a watcher that has nothing left to do is waited for, a tick each.
    private static let endTicks = 100

    /// Whether a watcher was prepared for the upgrade; waits for an answer as long as it takes.
    ///
    /// No answer is no no: two who change one package are worse than one who waits.
    func isWatched(_ journal: UpgradeJournal) async throws(UpgradeStop) -> Bool {
        guard let own = selfUpgrade, !journal.phase.isBeforeInstall else { return false }
        var backoff = Backoff(limits.putBack, seed: clock.random())
        while true {
            do throws(SystemError) {
                return try own.isWatched(journal)
            } catch {
                let wait = backoff.next() ?? .seconds(60)
                try await pause(wait, because: "whether a watcher is at work cannot be said: \(error)")
            }
        }
    }

    /// Takes the next step of an upgrade of the agent itself; false where the step is one like any other package's.
    func attendSelf(_ journal: UpgradeJournal) async throws(UpgradeStop) -> Bool {
        guard let own = selfUpgrade else { return false }
        switch journal.phase {
        case .saved:
            guard own.isOwn(journal), let reason = own.obstacle else { return false }
            try await apply(.refused(reason))
            return true
        case .installing:
            if !own.isOwn(journal), try await !isWatched(journal) { return false }
            try await whileListening { () throws(UpgradeStop) in
                guard try await handOver(journal, own) else { return }
                try await follow(journal, own)
            }
            return true
        case .confirming:
            guard try await isWatched(journal) else { return false }
            try await whileListening { () throws(UpgradeStop) in try await follow(journal, own) }
            return true
        case .rollingBack:
            guard try await isWatched(journal) else { return false }
            guard case .undone = try await awaited(journal, own),
                try await packageState(journal.release) == journal.stateBefore
            else { return false }
            try await apply(.putBack)
            return true
        case .done, .rolledBack, .failed:
            try await dismiss(journal, own)
            return false
        case .assigned, .downloaded, .verified, .refused, .withdrawn: return false
        }
    }

    /// Prepares the watcher; false where that cannot be done, with nothing changed.
    private func handOver(_ journal: UpgradeJournal, _ own: SelfUpgrade) async throws(UpgradeStop) -> Bool {
        if try await isWatched(journal) { return true }
        try await useUp(journal.assignment.statement.statement)
        var backoff = Backoff(limits.retry, seed: clock.random())
        while true {
            do throws(SystemError) {
                try await own.prepare(
                    journal,
                    proofSeconds: limits.proofSeconds(journal.release.healthChecks + checks)
                )
                return true
            } catch {
                try ensureRunning()
                guard let wait = backoff.next() else {
                    try await apply(.unchanged("the agent's watcher cannot be prepared: \(error)"))
                    return false
                }
                try await pause(wait, because: "the agent's watcher cannot be prepared: \(error)")
            }
        }
    }

    /// installing -> confirming, confirming -> done, or either -> rolling back, as the watcher's files say.
    private func follow(_ journal: UpgradeJournal, _ own: SelfUpgrade) async throws(UpgradeStop) {
        switch (journal.phase, try await awaited(journal, own)) {
        case (.installing, .undone(let reason, untouched: true)): try await apply(.unchanged(reason))
        case (_, .undone(let reason, _)): try await apply(.undone(reason))
        case (.installing, _):
            try await apply(.installed(confirmUntil: own.proofEnd(from: clock.now())))
        case (_, .confirmed(let note)): try await apply(.confirmed(note))
        case (_, .mustProve): try await prove(journal, own)
        case (_, .pending): break
        }
    }

    /// How things are once they are not just going on; a watcher that is gone is started again.
    private func awaited(
        _ journal: UpgradeJournal,
        _ own: SelfUpgrade
    ) async throws(UpgradeStop) -> SelfUpgrade.Outlook {
        await state.setNote(own.note(journal))
        _ = await reporting.report(within: limits.courtesySeconds)
        var keeping = Backoff(limits.putBack, seed: clock.random())
        var keepsAt: Int64 = .min
        while true {
            try ensureRunning()
            do throws(SystemError) {
                let outlook = try own.outlook()
                if outlook != .pending { return outlook }
            } catch {
                logger.error("the watcher's files cannot be read", metadata: ["reason": "\(error)"])
            }
            own.keepWatcher(at: clock.monotonic())
            if own.isDecided, clock.monotonic() >= keepsAt {
                await keepWayBack(journal)
                keepsAt = clock.monotonic() + (keeping.next() ?? .seconds(60)).wholeMilliseconds
            }
            guard await sleep(.milliseconds(Self.tick)) else { throw .cancelled }
        }
    }

    /// The package to go back to is fetched again where it was lost or damaged: the watcher itself has no network.
    private func keepWayBack(_ journal: UpgradeJournal) async {
        guard case .file(let previous) = journal.source,
            StoredPackage.open(state.paths.saved(previous), previous) == nil
        else { return }
        if let reason = await fetchAgain(previous) {
            logger.error("the version before is not there", metadata: ["reason": "\(reason)"])
        }
    }

    /// This is the new agent: the checks of any upgrade, some time in one life, and one more report.
    private func prove(_ journal: UpgradeJournal, _ own: SelfUpgrade) async throws(UpgradeStop) {
        own.keepWatcher(at: clock.monotonic())
        let note: String
        switch try await proof(of: journal) {
        case .confirmed(let words): note = words
        case .undone(let reason): return try await claim(.undone(reason), own)
        }
        let seconds = own.options.steadySeconds
        logger.notice(
            "the new agent has reported",
            metadata: ["version": "\(journal.release.version)", "steady": "\(seconds)"]
        )
        guard await sleep(.seconds(seconds)) else { throw .cancelled }
        while !own.isDecided {
            if await reporting.report(within: limits.courtesySeconds) == nil {
                try ensureRunning()
                return try await claim(.confirmed(note), own)
            }
            try ensureRunning()
            guard await sleep(.milliseconds(limits.confirmPause)) else { throw .cancelled }
        }
    }

    private func claim(_ verdict: WatchVerdict, _ own: SelfUpgrade) async throws(UpgradeStop) {
        do throws(SystemError) {
            try own.claim(verdict)
        } catch {
            // Nothing is lost: the time runs out, and until then it is tried again.
            try await pause(.seconds(1), because: "the verdict cannot be written: \(error)")
        }
    }

    /// Waits for the watcher's end and removes its files; what is left is removed before the next upgrade.
    private func dismiss(_ journal: UpgradeJournal, _ own: SelfUpgrade) async throws(UpgradeStop) {
        for _ in 0..<Self.endTicks {
            do throws(SystemError) {
                guard try own.isWatched(journal) else { return }
                if try own.clear() { return }
            } catch {
                return logger.warning("the watcher's files are not removed", metadata: ["reason": "\(error)"])
            }
            guard await sleep(.milliseconds(Self.tick)) else { throw .cancelled }
        }
    }
}
