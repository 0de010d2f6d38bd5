import ByteCoding
import Glibc
import Logging
import MusterModel
import MusterSystem
import PackageInstaller

/// `muster-agent watch-upgrade --state-dir DIR`: the watcher's process.
///
/// Its word is hidden: only an upgrade of the agent has work for it. It ends with 0 where there is none.
enum WatchProgram {
    /// Its word on the command line, the same in all versions: an agent may start the watcher of another.
    static let word = "watch-upgrade"

    /// Does the work where the command line is ours; nil where it is any other.
    static func quickly(_ arguments: [String]) async -> Int32? {
        guard arguments.count == 4, arguments[1] == word, arguments[2] == "--state-dir" else { return nil }
        return await watch(AgentPaths(arguments[3]))
    }

    private static func watch(_ paths: AgentPaths) async -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        let log = WatchLog(paths.watcher.log)
        var logger = Logger(label: "muster-agent-watcher") { _ in log }
        logger.logLevel = .info
        do throws(SystemError) {
            guard Directory.exists(paths.watcher.planFile) else { return 0 }
            guard let lock = try await lock(paths.watcher.lock) else { return 0 }
            defer { withExtendedLifetime(lock) {} }
            guard let plan = try paths.watcher.plan() else { return 0 }
            guard let installer = try? PackageSources(root: plan.root).source(plan.release.format) else {
                logger.error("this node cannot install packages of format '\(plan.release.format)' any more")
                return 1
            }
            var limits = UpgradeWatcher.Limits()
            limits.restartSeconds = max(limits.restartSeconds, plan.seconds)
            let patience = limits.restartSeconds
            var watcher = try UpgradeWatcher(
                plan,
                paths: paths,
                installer: installer,
                restart: { words in await restart(words, seconds: patience) },
                limits: limits,
                logger: logger
            )
            await watcher.run()
            return 0
        } catch {
            logger.error("\(error)")
            return 1
        }
    }

    /// Tries for three seconds: an agent looks whether a watcher is there by taking the lock for a moment.
    private static func lock(_ path: String) async throws(SystemError) -> FileLock? {
        for _ in 0..<30 {
            if let lock = try FileLock.tryAcquire(path) { return lock }
            try? await Task.sleep(for: .milliseconds(100))
        }
        return nil
    }

    /// Runs the command that restarts the agent; why it failed.
    private static func restart(_ words: [String], seconds: Int64) async -> String? {
        let path = Command.plainEnvironment["PATH"] ?? "/usr/bin:/bin"
        guard let name = words.first,
            let program = name.hasPrefix("/") ? name : Command.find(name, path: path)
        else { return "\(words.first ?? "an empty command") is not there" }
        do throws(SystemError) {
            let result = try await Command(program, Array(words.dropFirst())).run(timeout: .seconds(seconds))
            if result.succeeded { return nil }
            let said = (result.outputText + result.errorText).split(separator: "\n").suffix(3).joined(separator: "; ")
            return "\(words.joined(separator: " ")) \(result.endingText): \(said.bounded(512))"
        } catch {
            return "\(error)"
        }
    }
}
