import CLinux
import Glibc
import MusterSystem

/// One of the project's own programs, as it was built beside these tests.
public struct BuiltProgram: Sendable {
    /// Its absolute path.
    public let path: String

    /// The program of that name, such as `muster-agent`.
    public init(_ name: String) throws {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let tests = String(decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = tests.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        path = folder + "/" + name
        guard access(path, X_OK) == 0 else { throw RunningProgram.Failure("\(path) was not built") }
    }
}

/// A program that runs while a test needs it, and is ended by its process id.
public final class RunningProgram: Sendable {
    /// Why a program could not be used.
    public struct Failure: Error, CustomStringConvertible {
        /// What was tried, and what the program said.
        public let description: String

        /// A failure.
        public init(_ description: String) {
            self.description = description
        }
    }

    /// Its process id.
    public let pid: pid_t
    /// The file that its output and errors go to.
    public let log: String

    /// Starts a program in a process group of its own, its output appended to the file `log`.
    ///
    /// The environment is the test's own with `environment` added; without `input` there is nothing to read.
    public init(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        input: OpenFile? = nil,
        log: String
    ) throws {
        self.log = log
        let nothing = try OpenFile("/dev/null")
        let output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(output) }
        var variables: [String] = environment.map { "\($0.key)=\($0.value)" }
        var index = 0
        while let entry = environ[index] {
            let text = String(cString: entry)
            if !environment.keys.contains(String(text.prefix { $0 != "=" })) { variables.append(text) }
            index += 1
        }
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        var pointers = variables.map { strdup($0) } + [nil]
        defer { for pointer in words + pointers { free(pointer) } }
        var pid: pid_t = 0
        let source = input ?? nothing
        let code = withExtendedLifetime(source) {
            clinux_spawn(&pid, path, &words, &pointers, nil, [source.descriptor, output, output], 3, 1)
        }
        guard code == 0 else { throw Failure("cannot start \(path): \(String(cString: clinux_errno_text(code)))") }
        self.pid = pid
    }

    /// Runs a program to its end and returns its exit status; 128 and the signal where one ended it.
    public static func run(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        log: String,
        timeout: Duration = .seconds(120)
    ) async throws -> Int32 {
        let program = try RunningProgram(path, arguments, environment: environment, log: log)
        guard let status = await program.exit(within: timeout) else {
            await program.end()
            throw Failure("\(path) \(arguments) did not end within \(timeout):\n\(program.output)")
        }
        return status
    }

    /// Everything that it has printed so far.
    public var output: String {
        guard let file = fopen(log, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// Its exit status once it has ended, or nil when it still runs after the time.
    public func exit(within timeout: Duration) async -> Int32? {
        let deadline = ContinuousClock.now + timeout
        while true {
            var status: Int32 = 0
            let ended = waitpid(pid, &status, WNOHANG)
            if ended == pid {
                let signal = status & 0x7F
                return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
            }
            if ended < 0 || ContinuousClock.now >= deadline { return nil }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Sends a signal to it alone.
    public func signal(_ number: Int32) {
        kill(pid, number)
    }

    /// Asks it to end, insists after half a minute, and waits until it has; returns how it ended.
    @discardableResult
    public func end() async -> Int32? {
        kill(pid, SIGTERM)
        if let status = await exit(within: .seconds(30)) { return status }
        kill(-pid, SIGKILL)
        return await exit(within: .seconds(30))
    }

    /// The files that are mapped into its memory: the program itself and its libraries.
    public func mappedFiles() throws -> Set<String> {
        guard let file = fopen("/proc/\(pid)/maps", "r") else { throw Failure("\(pid) has ended") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        return Set(lines.compactMap { $0.split(separator: " ", maxSplits: 5).last.map(String.init) })
    }
}
