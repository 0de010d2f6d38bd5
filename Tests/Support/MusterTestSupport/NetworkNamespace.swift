import CLinux
import Glibc
import MusterSystem

/// A network namespace without a name, which lives exactly as long as a process that this one keeps in it.
///
/// The keeper reads from a pipe whose other end only the tests hold. When they close it, or die of whatever cause, the
/// keeper ends every other process in the namespace and then itself; with the last of them the kernel removes the
/// namespace and all of its interfaces, so nothing can be left on the machine.
public final class NetworkNamespace: Sendable {
    /// What it is called in messages.
    public let name: String
    private let keeper: RunningProgram
    private let lifeline: OpenFile

    /// Makes a namespace whose loopback interface is up and whose other interfaces will have no IPv6 addresses of their own.
    ///
    /// The keeper's output goes to the file `log`; `leftovers` are files that its end shall remove.
    public init(_ name: String, log: String, leftovers: [String] = []) async throws {
        self.name = name
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw SystemError("create", "a pipe", errno: errno) }
        let reading = OpenFile(descriptor: ends[0], path: "pipe")
        lifeline = OpenFile(descriptor: ends[1], path: "pipe")
        keeper = try RunningProgram(
            "/usr/bin/unshare",
            ["--net", "/bin/sh", "-c", Self.script, name] + leftovers,
            environment: Command.plainEnvironment,
            input: reading,
            log: log
        )
        guard await isReady() else {
            _ = await keeper.exit(within: .seconds(1))
            throw RunningProgram.Failure("cannot make a network namespace: \(keeper.output)")
        }
    }

    /// Ends every process in it, and waits until they are gone.
    public func end() async {
        shutdown()
        if await keeper.exit(within: .seconds(10)) == nil { await keeper.end() }
    }

    private func shutdown() {
        // A byte does what closing the pipe would do; the descriptor itself lives as long as this object.
        var byte: UInt8 = 10
        _ = write(lifeline.descriptor, &byte, 1)
    }

    private func isReady() async -> Bool {
        for _ in 0..<6000 {
            if keeper.output.contains("ready\n") { return true }
            if await keeper.exit(within: .zero) != nil { return false }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    private static let script = """
        echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
        ip link set lo up || exit 1
        echo ready
        read -r end
        own=$(readlink /proc/$$/ns/net)
        own=${own#net:[} own=${own%]}
        for signal in TERM KILL; do
            found=
            for link in $(find /proc/[0-9]*/ns/net -maxdepth 0 -lname "net:?$own?" 2>/dev/null); do
                process=${link#/proc/}
                process=${process%%/*}
                if [ "$process" != $$ ] && kill -s $signal "$process" 2>/dev/null; then found=1; fi
            done
            [ -n "$found" ] || break
            [ $signal = KILL ] || sleep 0.5
        done
        rm -f "$@"
        """

    // MARK: Programs in it

    /// The program and arguments that run `program` in the namespace, with the same process id as without it.
    public func entering(_ program: String, _ arguments: [String]) -> (program: String, arguments: [String]) {
        ("/usr/bin/nsenter", ["--net=/proc/\(keeper.pid)/ns/net", "--", program] + arguments)
    }

    /// Its process id and files below `/proc` are those of the namespace.
    public var keeperProcess: pid_t { keeper.pid }

    /// Starts a program in the namespace.
    public func start(
        _ program: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        input: OpenFile? = nil,
        log: String
    ) throws -> RunningProgram {
        let command = entering(program, arguments)
        return try RunningProgram(command.program, command.arguments, environment: environment, input: input, log: log)
    }

    /// Runs a program in the namespace to its end.
    public func run(
        _ program: String,
        _ arguments: [String],
        input: [UInt8] = [],
        timeout: Duration = .seconds(30)
    ) async throws -> CommandResult {
        let command = entering(program, arguments)
        return try await Command(command.program, command.arguments, input: input).run(
            timeout: timeout,
            grace: .milliseconds(500),
            outputLimit: 1 << 22
        )
    }

    /// Runs a program in the namespace that must exit with 0; returns what it printed.
    @discardableResult
    public func succeed(_ program: String, _ arguments: [String], input: [UInt8] = []) async throws -> String {
        let result = try await run(program, arguments, input: input)
        guard result.succeeded else {
            throw RunningProgram.Failure(
                "in \(name): \(program) \(arguments.joined(separator: " ")) \(result.endingText): \(result.errorText)"
            )
        }
        return result.outputText
    }

    /// Carries out lines of `ip`, such as `link set eth0 up`.
    public func configure(_ lines: [String]) async throws {
        try await succeed("/usr/sbin/ip", ["-batch", "-"], input: Array(lines.joined(separator: "\n").utf8 + [10]))
    }

    /// The TCP sockets that listen in the namespace.
    public var listeningSockets: [ListeningSocket] { ListeningSocket.all(process: "\(keeper.pid)") }
}
