import Glibc
import Logging
import MusterModel
import MusterSystem
import PackageInstaller

extension UpgradeRunner {
    /// rolling back -> rolled back: puts the previous version back, trying for as long as it takes.
    func putBack(_ journal: UpgradeJournal) async throws(UpgradeStop) {
        _ = await reporting.report(within: limits.courtesySeconds)
        var backoff = Backoff(limits.putBack, seed: clock.random())
        while true {
            // From here on the room belongs to the package manager.
            reserve.release()
            guard let reason = try await putBackFailure(journal) else { return try await apply(.putBack) }
            try await pause(backoff.next() ?? .seconds(300), because: "cannot put the previous version back: \(reason)")
        }
    }

    /// Any final phase: keeps what is needed to go back next time, forgets the rest, reports how it ended.
    func settle(_ journal: UpgradeJournal) async throws(UpgradeStop) {
        let release = journal.installedRelease
        let paths = state.paths
        let found = try await packageState(journal.release)
        reserve.release()
        var installed: InstalledRelease?
        do throws(SystemError) {
            switch (journal.phase, journal.source) {
            case (.done, _):
                if Directory.exists(paths.downloaded(release)) {
                    try AtomicFile.rename(paths.downloaded(release), to: paths.saved(release))
                }
                installed = release
            case (.rolledBack, .file(let previous)): installed = previous
            default: break
            }
            try await state.settle(version: found.reported, installed: installed)
        } catch {
            throw .storage(error)
        }
        await tidy(keeping: [.failed, .withdrawn].contains(journal.phase) ? paths.partial(release) : nil)
        _ = await reporting.report(within: limits.courtesySeconds)
    }

    /// Why the previous version is not back; nil when it is.
    private func putBackFailure(_ journal: UpgradeJournal) async throws(UpgradeStop) -> String? {
        let release = journal.release
        let package = release.package
        let error: PackageError?
        switch journal.source {
        case nil: return "the journal does not say what it was"
        case .remove:
            if try await packageState(release) == .absent { return nil }
            error = await change { () async throws(PackageError) in
                try await sources.source(release.format).remove(package)
            }
        case .file(let previous):
            let path = state.paths.saved(previous)
            if StoredPackage.open(path, previous) == nil, let reason = await fetchAgain(previous) { return reason }
            guard let file = StoredPackage.open(path, previous) else { return "\(path) is damaged or gone" }
            error = await change { () async throws(PackageError) in
                let before = await restarts?.look(at: release.restart)
                try await sources.source(release.format).restore(package, from: file)
                await restartUnits(release, since: before)
            }
        }
        if let error { return error.message }
        let found = try await packageState(release)
        return found == journal.stateBefore ? nil : "\(package) is \(found.words)"
    }

    /// Restarts what the way back has left as it was; a service that does not start is no reason to go back once more.
    private func restartUnits(_ release: ReleaseDescription, since before: UnitRestarts.Before?) async {
        guard let restarts, let before else { return }
        do throws(PackageError) {
            _ = try await restarts.finish(release.restart, since: before)
        } catch {
            logger.error("a unit is not restarted after going back", metadata: ["reason": "\(error)"])
        }
    }

    /// Fetches a saved file that got lost: its hash is known, so it needs no other trust.
    func fetchAgain(_ release: InstalledRelease) async -> String? {
        do throws(DownloadError) {
            unlink(state.paths.saved(release))
            try await download.fetch(release)
        } catch {
            return error.message
        }
        return (try? AtomicFile.rename(state.paths.downloaded(release), to: state.paths.saved(release))) == nil
            ? "cannot keep \(state.paths.saved(release))" : nil
    }

    /// Removes package files that nothing needs any more.
    private func tidy(keeping partial: String?) async {
        let paths = state.paths
        let needed = Set(await state.memory.installed.values.map { paths.saved($0) } + [partial].compactMap { $0 })
        for folder in [paths.downloads, paths.saved] {
            for name in (try? Directory.entries(folder)) ?? [] where !needed.contains(folder + "/" + name) {
                unlink(folder + "/" + name)
            }
        }
    }
}
