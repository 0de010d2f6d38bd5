import Logging
import MusterModel
import MusterSystem
import PackageInstaller

/// The way to the new version.
extension UpgradeWatcher {
    /// Another watcher was here before, or another boot.
    mutating func resume() async {
        switch progress.phase {
        case .waiting where progress.boot != boot:
            guard progress.waits < limits.attempts else {
                return await refuse(
                    "the machine was restarted \(progress.waits) times while the new version had to prove itself"
                )
            }
            progress.waits += 1
            progress.boot = boot
            progress.since = clock.monotonic()
            enter(.waiting)
        case .prepared, .installing, .restarting, .waiting, .puttingBack, .returning, .ended: break
        }
    }

    /// prepared, installing -> restarting, or a verdict of no.
    mutating func install() async {
        let version = plan.release.version
        guard let before = await found() else { return }
        if progress.begun > 0, before == .installed(version: version), plan.previous.version != version {
            progress.isBusy = false
            return enter(.restarting)
        }
        guard progress.begun < limits.attempts else {
            return await refuse("the installation was begun \(progress.begun) times and never ended")
        }
        var backoff = Backoff(limits.retry, seed: clock.random())
        while let reason = await attempt() {
            guard let wait = backoff.next() else { return await refuse(reason) }
            logger.warning("installation waits", metadata: ["reason": "\(reason)", "wait": "\(wait)"])
            try? await clock.sleep(wait)
            if Task.isCancelled { return }
        }
    }

    /// Runs the package manager once; a reason where nothing was changed and it may work later.
    private mutating func attempt() async -> String? {
        let start = progress
        progress.begun += 1
        progress.isBusy = true
        progress.phase = .installing
        // Without this on the disk nobody after us could tell that the package manager was ever started.
        if let error = store() {
            progress = start
            return "\(error)"
        }
        guard let file = StoredPackage.open(paths.downloaded(plan.file), plan.file) else {
            progress.isBusy = false
            await refuse("\(paths.downloaded(plan.file)) is damaged or gone")
            return nil
        }
        do throws(PackageError) {
            try await installer.install(file)
        } catch {
            // Damaged is damaged, whatever the package manager's database says of it.
            progress.isBusy = error.code == .damaged
            switch error.code {
            case .locked, .unavailable:
                progress.begun -= 1
                return error.message
            default:
                await refuse(error.message)
                return nil
            }
        }
        progress.isBusy = false
        progress.hasChanged = true
        guard let after = await found() else { return nil }
        if after == .installed(version: plan.release.version) {
            enter(.restarting)
        } else {
            await refuse("the package manager ended well, but \(plan.release.package) is \(after.words)")
        }
        return nil
    }

    /// restarting -> waiting, or a verdict of no.
    mutating func restartNew() async {
        let deadline = clock.monotonic() + plan.seconds * 1000
        var backoff = Backoff(limits.putBack, seed: clock.random())
        progress.hasChanged = true
        while !Task.isCancelled {
            order()
            guard let reason = await restart(plan.restart) else {
                progress.waits = max(1, progress.waits)
                return enter(.waiting)
            }
            logger.warning("the agent does not restart", metadata: ["reason": "\(reason)"])
            let wait = backoff.next()?.wholeMilliseconds ?? 60000
            guard clock.monotonic() + wait < deadline else {
                return await refuse("the agent could not be restarted as \(plan.release.version): \(reason)")
            }
            await pause(wait)
        }
    }

    /// waiting -> a verdict.
    func wait() async {
        let deadline = progress.since + plan.seconds * 1000
        while !Task.isCancelled {
            if verdict() != nil { return }
            let left = deadline - clock.monotonic()
            guard left > 0 else { break }
            await pause(min(limits.tick, left))
        }
        if Task.isCancelled { return }
        await refuse(
            "\(plan.release.package) \(plan.release.version) did not prove itself within \(plan.seconds) seconds of its restart"
        )
    }

    /// Puts on the disk that the agent is being restarted now: only one that starts later is the one that is meant.
    mutating func order() {
        progress.hasRestarted = true
        progress.boot = boot
        progress.since = clock.monotonic()
        enter(progress.phase)
    }
}
