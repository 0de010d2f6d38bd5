import ByteCoding
import MusterModel
import MusterSystem
import PackageInstaller

extension UpgradeRunner {
    /// The agent was stopped while the package manager may have been at work.
    func resume(_ journal: UpgradeJournal) async throws(UpgradeStop) {
        if journal.begun >= UpgradeJournal.attempts {
            try await apply(.undone("the installation was begun \(journal.begun) times and never ended"))
        } else {
            try await apply(.resumed)
        }
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
                guard let wait = backoff.next() else { return try await judgeFailure(journal, error.message) }
                try await pause(wait, because: error.message)
            default: return try await judgeFailure(journal, error.message)
            }
        }
    }

    /// confirming -> done or rolling back.
    func confirm(_ journal: UpgradeJournal) async throws(UpgradeStop) {
        try await apply(try await proof(of: journal))
    }

    /// Whether the new version stays: health checks, then a report that reaches the service in time.
    func proof(of journal: UpgradeJournal) async throws(UpgradeStop) -> UpgradeJournal.Event {
        let release = journal.release
        let found = try await packageState(release.package)
        guard found == .installed(version: release.version) else {
            return .undone("\(release.package) is \(found.words) after the installation")
        }
        let result = await health.run(release.healthChecks + checks)
        try ensureRunning()
        if case .failed(let reason) = result {
            return .undone("\(release.package) \(release.version) fails its health check: \(reason)")
        }
        let deadline = clock.monotonic() + limits.confirmSeconds * 1000
        var reason = ""
        repeat {
            guard let failure = await reporting.report(within: limits.courtesySeconds) else {
                try ensureRunning()
                return .confirmed
            }
            try ensureRunning()
            reason = failure
            try? await clock.sleep(.milliseconds(limits.confirmPause))
            try ensureRunning()
        } while clock.monotonic() < deadline
        return .undone(
            "the service was not reached within \(limits.confirmSeconds) seconds after the upgrade: \(reason)"
        )
    }

    /// Runs the package manager once on the very file that was verified; nil when it ended well.
    private func attempt(_ journal: UpgradeJournal) async throws(UpgradeStop) -> PackageError? {
        let path = state.paths.downloaded(journal.installedRelease)
        guard let file = StoredPackage.open(path, journal.installedRelease) else {
            return PackageError(.unreadable, "\(path) is damaged or gone")
        }
        if let error = await change({ () async throws(PackageError) in try await installer.install(file) }) {
            return error
        }
        let found = try await packageState(journal.release.package)
        guard found == .installed(version: journal.release.version) else {
            return PackageError(
                .failed,
                "the package manager ended well, but \(journal.release.package) is \(found.words)"
            )
        }
        try await apply(.installed(confirmUntil: clock.now().adding(seconds: limits.confirmSeconds)))
        return nil
    }

    /// After a failure: where the previous version is whole, nothing was changed; else it is put back.
    private func judgeFailure(_ journal: UpgradeJournal, _ reason: String) async throws(UpgradeStop) {
        let found = try await packageState(journal.release.package)
        let before: PackageState = journal.source?.version.map { .installed(version: $0) } ?? .absent
        let isUnchanged = found == before && journal.source?.version != journal.release.version
        try await apply(isUnchanged ? .unchanged(reason) : .undone(reason))
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
        do throws(SystemError) {
            try await state.execute(statement, at: clock.now())
        } catch {
            throw .storage(error)
        }
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
