import ByteCoding
import Logging
import MusterModel
import MusterSystem
import PackageInstaller

extension UpgradeRunner {
    /// The agent was stopped while the package manager may have been at work, or before the new version had proved itself.
    func resume(_ journal: UpgradeJournal) async throws(UpgradeStop) {
        switch journal.phase {
        case .installing where journal.begun >= UpgradeJournal.attempts:
            try await apply(.undone("the installation was begun \(journal.begun) times and never ended"))
        case .installing: try await apply(.resumed)
        case .confirming where journal.proofs >= UpgradeJournal.attempts:
            try await apply(
                .undone(
                    "the agent or the machine stopped \(journal.proofs) times before the new version had proved itself"
                )
            )
        case .confirming: try await apply(.confirmedAgain(confirmUntil: proofEnd(journal)))
        default: break
        }
    }

    /// Until when the version must have proved itself, were it to begin now.
    private func proofEnd(_ journal: UpgradeJournal) -> UTCTime {
        clock.now().adding(seconds: limits.proofSeconds(journal.release.healthChecks + checks))
    }

    /// installing -> confirming, rolling back, or failed where nothing was changed.
    func install(_ journal: UpgradeJournal) async throws(UpgradeStop) {
        try await useUp(journal.assignment.statement.statement)
        _ = await reporting.report(within: limits.courtesySeconds)
        var backoff = Backoff(limits.retry, seed: clock.random())
        while true {
            guard let error = try await attempt(journal) else { return }
            switch error.code {
            case .locked, .unavailable:
                guard let wait = backoff.next() else { return try await judgeFailure(journal, error) }
                try await pause(wait, because: error.message)
            default: return try await judgeFailure(journal, error)
            }
        }
    }

    /// confirming -> done or rolling back.
    func confirm(_ journal: UpgradeJournal) async throws(UpgradeStop) {
        switch try await proof(of: journal) {
        case .confirmed(let note): try await apply(.confirmed(note))
        case .undone(let reason): try await apply(.undone(reason))
        }
    }

    /// Whether the new version stays: health checks, then a report that reaches the service in time, and a second node that
    /// reaches us where the owner wants one.
    func proof(of journal: UpgradeJournal) async throws(UpgradeStop) -> WatchVerdict {
        let release = journal.release
        let found = try await packageState(release)
        guard found == .installed(version: release.version) else {
            return .undone("\(release.package) is \(found.words) after the installation")
        }
        let result = await health.run(release.healthChecks + checks)
        try ensureRunning()
        if case .failed(let reason) = result {
            return .undone("\(release.package) \(release.version) fails its health check: \(reason)")
        }
        async let visit = visitFailure(journal.rollout)
        let failures = [await contactFailure(), await visit].compactMap { $0 }
        try ensureRunning()
        if !failures.isEmpty { return .undone(failures.joined(separator: "; ")) }
        if case .passedAsFar(let unasked) = result { return .confirmed(unasked.joined(separator: "; ")) }
        return .confirmed("")
    }

    /// Why the service was not reached in time; nil once it was.
    private func contactFailure() async -> String? {
        let deadline = clock.monotonic() + limits.confirmSeconds * 1000
        var reason = ""
        repeat {
            guard let failure = await reporting.report(within: limits.courtesySeconds) else { return nil }
            reason = failure
            try? await clock.sleep(.milliseconds(limits.confirmPause))
        } while clock.monotonic() < deadline && !Task.isCancelled
        return "the service was not reached within \(limits.confirmSeconds) seconds after the upgrade: \(reason)"
    }

    /// Why no second node has reached this one in time; nil once one has, or where none need.
    private func visitFailure(_ rollout: RolloutID) async -> String? {
        guard let secondNode, let seconds = limits.secondNodeSeconds else { return nil }
        return await secondNode.visit(for: rollout, within: seconds)
    }

    /// Runs the package manager once on the very file that was verified; nil when it ended well.
    private func attempt(_ journal: UpgradeJournal) async throws(UpgradeStop) -> PackageError? {
        let path = state.paths.downloaded(journal.installedRelease)
        guard let file = StoredPackage.open(path, journal.installedRelease) else {
            return PackageError(.unreadable, "\(path) is damaged or gone")
        }
        if let error = await change({ () async throws(PackageError) in try await changeOver(journal.release, file) }) {
            return error
        }
        let found = try await packageState(journal.release)
        guard found == .installed(version: journal.release.version) else {
            return PackageError(
                .failed,
                "the package manager ended well, but \(journal.release.package) is \(found.words)"
            )
        }
        try await apply(.installed(confirmUntil: proofEnd(journal)))
        return nil
    }

    /// Finishes what an earlier run left, installs, and restarts the units that the package leaves as they were.
    private func changeOver(_ release: ReleaseDescription, _ file: OpenFile) async throws(PackageError) {
        let source = try sources.source(release.format)
        // Installing mends what cannot be mended without a file.
        try? await source.repair(release.package)
        try await restarting(release) { () async throws(PackageError) in try await source.install(file) }
    }

    /// Does `work`, then restarts those units of the release that it has not restarted itself.
    private func restarting(
        _ release: ReleaseDescription,
        _ work: () async throws(PackageError) -> Void
    ) async throws(PackageError) {
        guard let restarts, !release.restart.isEmpty else { return try await work() }
        let before = await restarts.look(at: release.restart)
        try await work()
        let restarted = try await restarts.finish(release.restart, since: before)
        if !restarted.isEmpty { logger.notice("units restarted", metadata: ["units": "\(restarted)"]) }
    }

    /// After a failure: where the previous version is whole, nothing was changed; else it is put back.
    ///
    /// Of a set the package manager may have changed another package than the one that was asked for.
    private func judgeFailure(_ journal: UpgradeJournal, _ error: PackageError) async throws(UpgradeStop) {
        let release = journal.release
        var found = try await packageState(release)
        if case .partial(let version, _) = found, version == journal.source?.version {
            // The new version never came so far: the old one may only need to be configured.
            _ = await change { () async throws(PackageError) in
                try await sources.source(release.format).repair(release.package)
            }
            found = try await packageState(release)
        }
        let hasBegun = ![.locked, .unavailable].contains(error.code)
        let isSpread = hasBegun && journal.target.path.hasSuffix(DebianSet.ending)
        let isUnchanged =
            found == journal.stateBefore && error.code != .damaged && !isSpread
            && journal.source?.version != journal.release.version
        try await apply(isUnchanged ? .unchanged(error.message) : .undone(error.message))
    }

    /// Lets the package manager work to its end even when the agent is asked to end meanwhile.
    func change(
        _ work: @escaping @Sendable () async throws(PackageError) -> Void
    ) async -> PackageError? {
        await Task.detached { () -> PackageError? in
            do throws(PackageError) {
                try await work()
                return nil
            } catch {
                return error
            }
        }.value
    }

    func useUp(_ statement: Statement) async throws(UpgradeStop) {
        try await stored { () async throws(SystemError) in try await state.execute(statement, at: clock.now()) }
    }
}

extension PackageState {
    /// `not installed`, `2.10-3`, `2.10-3 (half-configured)`.
    var words: String {
        switch self {
        case .absent: "not installed"
        case .installed(let version): version
        case .partial(let version, let status): "\(version) (\(status))"
        }
    }

    /// The version as reports name it: empty for none.
    var reported: String {
        switch self {
        case .absent: ""
        case .installed, .partial: words
        }
    }
}
