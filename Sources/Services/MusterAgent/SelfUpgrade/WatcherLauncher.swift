import MusterSystem
import PackageInstaller

/// Starts the watcher of an upgrade of the agent itself.
public struct WatcherLauncher: Sendable {
    /// The program that starts transient services; nil where systemd does not run the machine.
    ///
    /// A service of its own is not ended with the agent's, and systemd starts it again where it is killed.
    public var services: String?

    /// Watchers that are started by ourselves, or by this program.
    public init(services: String? = nil) {
        self.services = services
    }

    /// As it is on this machine.
    public static var usual: WatcherLauncher {
        guard Systemd.isRunning else { return WatcherLauncher() }
        return WatcherLauncher(services: Command.find("systemd-run", path: "/usr/bin:/bin"))
    }

    /// The command line for the watcher of the node with these files.
    func words(_ paths: AgentPaths) -> [String] {
        let watcher = [paths.watcher.program, WatchProgram.word, "--state-dir", paths.folder]
        guard let services else { return watcher }
        return [
            services, "--quiet", "--collect", "--unit", "muster-agent-watcher", "--property", "Restart=on-failure",
            "--property", "RestartSec=1", "--",
        ] + watcher
    }

    /// Starts the watcher; it ends at once where another one is at work.
    func launch(_ paths: AgentPaths) throws(SystemError) -> DetachedProgram {
        let words = words(paths)
        return try DetachedProgram(
            words[0],
            Array(words.dropFirst()),
            input: UnsafeRawBufferPointer(start: nil, count: 0)
        )
    }

    /// What every start of an agent does first, before anything of a new version can fail.
    public func resume(_ paths: AgentPaths) {
        guard paths.watcher.needsWatcher else { return }
        // It is looked after further on; an agent that gets no further is not the one to say what went wrong.
        _ = try? launch(paths)
    }
}
