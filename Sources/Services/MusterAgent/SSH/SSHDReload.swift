import ByteCoding
import Glibc
import MusterSystem
import PackageInstaller

/// Lets the running sshd read its configuration anew; sessions belong to processes of their own and go on.
///
/// On SIGHUP sshd removes its file with the process id, starts itself anew in the same process, and writes the file again once
/// it takes signals. A second SIGHUP before that would end it: the file says when it is safe.
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

    /// How long sshd may take to be back, in milliseconds.
    private static let patience: Int64 = 15000

    /// `effective` says where the daemon keeps its process id.
    func run(_ effective: SSHDEffective) async -> Outcome {
        if let path = effective.first("pidfile"), let (process, mark) = await master(path) {
            guard kill(process, SIGHUP) == 0 else {
                return .failed("\(SystemError("signal", "sshd (process \(process))", errno: errno))")
            }
            return await comesBack(process, path, mark)
        }
        // The machine's own daemon is systemd's business where there is systemd.
        guard options.configuration == SSHOptions().configuration, Systemd.isRunning else {
            return .notRunning
        }
        guard let systemctl = Command.find("systemctl", path: Command.plainEnvironment["PATH"] ?? "") else {
            return .notRunning
        }
        return await Self.bySystemd(systemctl)
    }

    /// The daemon's process id, if that process is the daemon, and what its file looks like.
    ///
    /// Waits a little for the file: somebody else may have told sshd to reload just now.
    private func master(_ path: String) async -> (process: pid_t, mark: Mark)? {
        for attempt in 0..<20 {
            if attempt > 0 { try? await Task.sleep(for: .milliseconds(100)) }
            guard let mark = Mark(path), let bytes = try? BoundedFile.read(path, limit: 64) else { continue }
            let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
            // Between its creation and its first byte the file is empty.
            if text.isEmpty { continue }
            guard let process = pid_t(text), process > 1, isDaemon(process) else { return nil }
            return (process, mark)
        }
        return nil
    }

    private func comesBack(_ process: pid_t, _ path: String, _ before: Mark) async -> Outcome {
        let deadline = MonotonicClock.milliseconds() + Self.patience
        while MonotonicClock.milliseconds() < deadline {
            try? await Task.sleep(for: .milliseconds(20))
            if let mark = Mark(path), mark != before, mark.length > 0 { return .done }
            guard isDaemon(process) else {
                return .failed("sshd (process \(process)) ended when it was told to reload")
            }
        }
        return .failed("sshd (process \(process)) did not reload within \(Self.patience / 1000) seconds")
    }

    /// What tells one file from the next of the same name.
    private struct Mark: Equatable {
        let inode: UInt64
        let seconds: Int
        let nanoseconds: Int
        let length: Int

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            inode = UInt64(status.st_ino)
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
            length = Int(status.st_size)
        }
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

    /// Has systemd reload the unit of sshd that is active, by `systemctl`.
    ///
    /// `is-active` exits with 0 for that unit alone (3: not active, 4: no such unit); `reload` waits for its end.
    static func bySystemd(_ systemctl: String) async -> Outcome {
        for unit in ["ssh.service", "sshd.service"] {
            let isActive = try? await Command(systemctl, ["--quiet", "is-active", unit]).run(timeout: .seconds(20))
            guard isActive?.succeeded == true else { continue }
            guard let result = try? await Command(systemctl, ["reload", unit]).run(timeout: .seconds(30)) else {
                return .failed("systemctl cannot be run")
            }
            guard !result.succeeded else { return .done }
            let said = result.errorText.split(whereSeparator: \.isNewline).first.map { ": \($0)" } ?? ""
            return .failed("systemctl reload \(unit) \(result.endingText)\(said.bounded(500))")
        }
        return .notRunning
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
