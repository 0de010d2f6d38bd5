import MusterKeys
import MusterModel
import MusterSystem
import PackageInstaller

/// Starts the supervisors of runs.
public struct SupervisorLauncher: Sendable {
    /// The agent's program, which is the supervisor too.
    ///
    /// As it runs, not as it is on the disk by now: agent and supervisor are always of one version.
    public var program: String
    /// The program that makes transient scopes; nil where systemd does not run the machine.
    ///
    /// In a scope of its own a supervisor is not ended with the agent's service.
    public var scopes: String?

    /// Supervisors by this program.
    public init(program: String = "/proc/self/exe", scopes: String? = nil) {
        self.program = program
        self.scopes = scopes
    }

    /// As it is on this machine.
    public static var usual: SupervisorLauncher {
        guard Systemd.isRunning,
            let scopes = Command.find("systemd-run", path: "/usr/bin:/bin")
        else { return SupervisorLauncher() }
        // The program is started by another one than us, so it must be named by our process id.
        return SupervisorLauncher(program: "/proc/\(ProcessTable.ownID)/exe", scopes: scopes)
    }

    /// The command line for the supervisor of a run.
    func words(_ run: RunID, _ folder: RunFolder) -> [String] {
        let supervisor = [program, RunSupervisor.word, folder.path]
        guard let scopes else { return supervisor }
        return [scopes, "--scope", "--quiet", "--collect", "--unit", "muster-run-\(run)", "--"] + supervisor
    }

    /// Starts the supervisor of a run; `plan` may be wiped when this returns.
    func launch(_ run: RunID, _ folder: RunFolder, _ plan: SecretBytes) throws(SystemError) -> DetachedProgram {
        let words = words(run, folder)
        let result = plan.withBytes { bytes in
            Result { () throws(SystemError) in
                try DetachedProgram(
                    words[0],
                    Array(words.dropFirst()),
                    input: UnsafeRawBufferPointer(start: bytes, count: plan.count)
                )
            }
        }
        return try result.get()
    }
}
