import Glibc

/// A child process, measured by the kernel's own account of it.
struct Child {
    /// What a finished child used.
    struct Usage {
        /// User and system time in seconds.
        let cpu: Double
        /// Largest resident size in KiB.
        let peakKiB: Int
        /// Exit status; 128 and the signal where one ended it.
        let status: Int32
    }

    /// Its process id.
    let pid: pid_t

    /// Starts a program, found in `PATH`, with its output sent to `output`.
    init(_ arguments: [String], environment: [String: String] = [:], output: String = "/dev/null") throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var words = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var index = 0
        while let entry = environ[index] {
            variables.append(strdup(entry))
            index += 1
        }
        variables += environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in words + variables { free(pointer) } }
        var pid: pid_t = 0
        let failure = posix_spawnp(&pid, arguments[0], &actions, nil, &words, &variables)
        guard failure == 0 else { throw Failure.spawn(arguments[0], String(cString: strerror(failure))) }
        self.pid = pid
    }

    /// What may go wrong.
    enum Failure: Error {
        case spawn(String, String)
        case exit([String], Int32)
        case timeout(String)
    }

    /// Waits for its end.
    func wait() -> Usage {
        var status: Int32 = 0
        var usage = rusage()
        while wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        let signal = status & 0x7F
        return Usage(
            cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            peakKiB: usage.ru_maxrss,
            status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal
        )
    }

    /// Asks it to end and waits.
    func stop() {
        kill(pid, SIGTERM)
        _ = wait()
    }

    /// Runs a program to its end, which must be a success.
    static func run(
        _ arguments: [String],
        environment: [String: String] = [:],
        output: String = "/dev/null"
    ) throws
        -> Usage
    {
        let usage = try Child(arguments, environment: environment, output: output).wait()
        guard usage.status == 0 else { throw Failure.exit(arguments, usage.status) }
        return usage
    }

    /// CPU seconds that a running process has used so far.
    static func cpuSeconds(of pid: pid_t) -> Double {
        guard let text = try? read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// A small text file whole.
    static func read(_ path: String) throws -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Failure.spawn(path, String(cString: strerror(errno))) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = Glibc.read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// CPU seconds that this process has used so far.
    static var ownCPU: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

extension Child {
    /// The absolute path of a running program.
    static func path(ofProcess pid: pid_t) throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/\(pid)/exe", &buffer, buffer.count)
        guard count > 0 else { throw Failure.spawn("/proc/\(pid)/exe", String(cString: strerror(errno))) }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A new folder for one figure.
    static func makeFolder() throws -> String {
        var template = Array("/tmp/muster-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure.spawn("mkdtemp", String(cString: strerror(errno))) }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes a figure's folder with all that is in it.
    static func removeFolder(_ folder: String) {
        _ = try? run(["rm", "-rf", "--", folder])
    }
}
