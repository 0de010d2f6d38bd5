import CLinux
import Glibc
import Synchronization

/// One process from start to reaping: a loop over its pipes, its end and its deadline.
///
/// Why not swift-subprocess: it passes no further descriptor to the child, and waits for the end of the pipes, which a
/// daemon started by a maintainer script keeps open for ever.
final class CommandRun: Sendable {
    private let command: Command
    private let timeout: Int64
    private let grace: Int64
    private let outputLimit: Int
    private let cancelled = Atomic<Bool>(false)

    /// How long output may still arrive after the process has ended, in milliseconds.
    private static let drainTime: Int64 = 200
    /// How often cancellation is looked at, in milliseconds.
    private static let tick: Int64 = 100

    init(_ command: Command, timeout: Duration, grace: Duration, outputLimit: Int) {
        self.command = command
        self.timeout = timeout.wholeMilliseconds
        self.grace = grace.wholeMilliseconds
        self.outputLimit = outputLimit
    }

    func cancel() {
        cancelled.store(true, ordering: .relaxed)
    }

    func result() -> Result<CommandResult, SystemError> {
        Result { () throws(SystemError) in try start() }
    }

    private func start() throws(SystemError) -> CommandResult {
        let input = try Pipe()
        let output = try Pipe()
        let errors = try Pipe()
        var process: pid_t = 0
        let descriptors =
            [
                input.readEnd.descriptor, output.writeEnd.descriptor,
                command.atTerminal ? STDERR_FILENO : errors.writeEnd.descriptor,
            ]
            + command.inherited.map(\.descriptor)
        let environment = command.environment.map { "\($0.key)=\($0.value)" }.sorted()
        let code = withCStrings([command.executable] + command.arguments) { arguments in
            withCStrings(environment) { environment in
                clinux_spawn(
                    &process,
                    command.executable,
                    arguments,
                    environment,
                    command.workingDirectory,
                    descriptors,
                    descriptors.count,
                    command.atTerminal ? 0 : 1
                )
            }
        }
        guard code == 0 else { throw SystemError("start", command.executable, errno: code) }
        let watched = clinux_pidfd_open(process)
        guard watched >= 0 else {
            let error = SystemError("watch", command.executable, errno: errno)
            signal(process, SIGKILL)
            waitpid(process, nil, 0)
            throw error
        }
        let end = OpenFile(descriptor: watched, path: command.executable)
        var streams = Streams(
            input: input.keepWriteEnd(),
            output: output.keepReadEnd(),
            errors: errors.keepReadEnd(),
            pending: command.input[...],
            limit: outputLimit
        )
        return watch(process, end, &streams)
    }

    /// Sends a signal to the whole group, or to the process alone where the group is ours.
    private func signal(_ process: pid_t, _ number: Int32) {
        kill(command.atTerminal ? process : -process, number)
    }

    private func watch(_ process: pid_t, _ end: OpenFile, _ streams: inout Streams) -> CommandResult {
        let deadline = MonotonicClock.milliseconds() + timeout
        var killAt: Int64?
        var timedOut = false
        while true {
            let now = MonotonicClock.milliseconds()
            let due = now >= deadline || cancelled.load(ordering: .relaxed)
            if due, killAt == nil {
                timedOut = now >= deadline
                signal(process, SIGTERM)
                killAt = now + grace
            } else if let time = killAt, now >= time {
                signal(process, SIGKILL)
                killAt = now + 1000
            }
            let until = min(killAt ?? deadline, now + Self.tick)
            if streams.poll(with: end.descriptor, milliseconds: max(0, until - now)) { break }
        }
        streams.drain(until: MonotonicClock.milliseconds() + Self.drainTime)
        // Not reaped yet, so the group's number still belongs to it: nothing of a timed-out program stays behind.
        if killAt != nil { signal(process, SIGKILL) }
        var code: Int32 = 0
        var endedBy: Int32 = 0
        _ = clinux_peek_exit(process, &code, &endedBy)
        while waitpid(process, nil, 0) == -1, errno == EINTR {}
        return CommandResult(
            ending: endedBy == 0 ? .exited(code) : .signalled(endedBy),
            output: streams.outputTail.bytes,
            errorOutput: streams.errorTail.bytes,
            timedOut: timedOut,
            truncated: streams.outputTail.dropped || streams.errorTail.dropped
        )
    }
}

extension Duration {
    /// Milliseconds, rounded down, at most about thirty years.
    public var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return min(seconds, 1_000_000_000) * 1000 + attoseconds / 1_000_000_000_000_000
    }
}

/// Calls `body` with a NULL-terminated array of C strings.
func withCStrings<Result>(
    _ strings: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("the array holds at least its terminator") }
        return body(base)
    }
}
