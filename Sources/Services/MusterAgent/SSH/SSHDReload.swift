import Glibc
import MusterSystem

/// Lets the running sshd read its configuration anew; sessions belong to processes of their own and go on.
struct SSHDReload: Sendable {
    /// What came of it.
    enum Outcome: Equatable, Sendable {
        /// It reads the new configuration.
        case done
        /// None runs: it reads the configuration when it starts.
        case notRunning
        /// It could not be done, and why.
        case failed(String)
    }

    let options: SSHOptions

    /// `effective` says where the daemon keeps its process id.
    func run(_ effective: SSHDEffective) async -> Outcome {
        if let path = effective.first("pidfile"), let process = master(path) {
            guard kill(process, SIGHUP) == 0 else {
                return .failed("\(SystemError("signal", "sshd (process \(process))", errno: errno))")
            }
            try? await Task.sleep(for: .milliseconds(300))
            return isDaemon(process) ? .done : .failed("sshd (process \(process)) ended when it was told to reload")
        }
        // The machine's own daemon is systemd's business where there is systemd.
        guard options.configuration == SSHOptions().configuration, Directory.exists("/run/systemd/system") else {
            return .notRunning
        }
        return await bySystemd()
    }

    /// The daemon's process id, if that process is the daemon.
    private func master(_ path: String) -> pid_t? {
        guard let bytes = try? BoundedFile.read(path, limit: 64),
            let process = pid_t(
                String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
            ), process > 1, isDaemon(process)
        else { return nil }
        return process
    }

    /// By its executable file, so that a process id which somebody else has by now is not signalled.
    private func isDaemon(_ process: pid_t) -> Bool {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/\(process)/exe", &buffer, buffer.count)
        guard count > 0 else { return false }
        var executable = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // A daemon whose package was upgraded under it runs a file that has no name any more.
        if executable.hasSuffix(" (deleted)") { executable.removeLast(" (deleted)".count) }
        return executable == Self.realPath(options.program)
    }

    private func bySystemd() async -> Outcome {
        guard let systemctl = Command.find("systemctl", path: Command.plainEnvironment["PATH"] ?? "") else {
            return .notRunning
        }
        for unit in ["ssh.service", "sshd.service"] {
            let isActive = try? await Command(systemctl, ["--quiet", "is-active", unit]).run(timeout: .seconds(20))
            guard isActive?.succeeded == true else { continue }
            guard let result = try? await Command(systemctl, ["reload", unit]).run(timeout: .seconds(30)) else {
                return .failed("systemctl cannot be run")
            }
            return result.succeeded ? .done : .failed("systemctl reload \(unit) \(result.endingText)")
        }
        return .notRunning
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
