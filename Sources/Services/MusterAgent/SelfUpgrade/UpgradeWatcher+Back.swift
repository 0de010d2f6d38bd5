import Logging
import MusterModel
import MusterSystem
import PackageInstaller

/// The way back.
extension UpgradeWatcher {
    /// putting-back -> returning, or ended where nothing but the version before was ever there; tries as long as it takes.
    mutating func putBack() async {
        var backoff = Backoff(limits.putBack, seed: clock.random())
        while !Task.isCancelled {
            guard let found = await found() else { return }
            if isBack(found) { return enter(next) }
            guard let reason = await putBackFailure() else { return }
            let wait = backoff.next() ?? .seconds(300)
            logger.error("cannot put the version before back", metadata: ["reason": "\(reason)", "wait": "\(wait)"])
            try? await clock.sleep(wait)
        }
    }

    /// returning -> ended.
    mutating func bringBack() async {
        var backoff = Backoff(limits.putBack, seed: clock.random())
        while !Task.isCancelled {
            order()
            guard let reason = await restart(plan.restart) else { return enter(.ended) }
            let wait = backoff.next() ?? .seconds(300)
            logger.error("the agent does not restart", metadata: ["reason": "\(reason)", "wait": "\(wait)"])
            try? await clock.sleep(wait)
        }
    }

    /// Scripts of a package may have stopped the agent: it is restarted wherever anything was changed.
    private var next: WatchProgress.Phase { progress.hasChanged || progress.hasRestarted ? .returning : .ended }

    /// Whether the version before is there, whole, and no package manager of ours can still be at work.
    private func isBack(_ found: PackageState) -> Bool {
        guard !progress.isBusy, found == .installed(version: plan.previous.version) else { return false }
        return plan.previous.version != plan.release.version || !progress.hasChanged
    }

    /// Runs the package manager once; why the version before is not back.
    ///
    /// Where it is, the next phase is entered.
    private mutating func putBackFailure() async -> String? {
        let path = paths.saved(plan.previous)
        guard let file = StoredPackage.open(path, plan.previous) else { return "\(path) is damaged or gone" }
        progress.hasChanged = true
        progress.isBusy = true
        // From here on the room that was kept belongs to the package manager.
        RollbackReserve(path: paths.reserve).release()
        enter(.puttingBack)
        do throws(PackageError) {
            try await installer.restore(plan.release.package, from: file)
        } catch {
            return error.message
        }
        progress.isBusy = false
        guard let found = await found() else { return nil }
        guard found == .installed(version: plan.previous.version) else {
            return "\(plan.release.package) is \(found.words)"
        }
        enter(next)
        return nil
    }
}
