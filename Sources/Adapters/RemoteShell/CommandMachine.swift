import CLibSSH

/// One command on a session: its channel is opened, the command asked for, input sent, output and end taken in.
///
/// Known on its loop's thread only.
final class CommandMachine {
    private enum Phase {
        case waiting
        case opening
        case requesting
        case running
        case ended
    }

    /// How long the end of the output is waited for after the end of the process, in milliseconds since the last piece.
    private static let patience: Int64 = 2000

    private let command: RemoteCommand
    private let onOutput: @Sendable (RemoteOutput) -> Void
    private var whenEnded: ((Result<RemoteOutcome, RemoteShellError>) -> Void)?
    private var phase = Phase.waiting
    private var channel: ssh_channel?
    private var callbacks: UnsafeMutablePointer<ssh_channel_callbacks_struct>?
    private var outcome = RemoteOutcome(status: nil, stop: nil, outputBytes: 0, droppedBytes: 0)
    private var input: ArraySlice<UInt8>
    private var isInputOpen = true
    private var isClosed = false
    private var name = ""
    /// When it is given up.
    private var limit: Int64?
    /// When the server is taken to say nothing more: what the command left running may hold its output open for ever.
    private var silence: Int64?
    private var heard = 0
    /// Whether the session cannot be used after it: the server may still be busy with the command.
    private(set) var endsSession = false

    /// A command; `whenEnded` is called once.
    init(
        _ command: RemoteCommand,
        onOutput: @escaping @Sendable (RemoteOutput) -> Void,
        whenEnded: @escaping (Result<RemoteOutcome, RemoteShellError>) -> Void
    ) {
        self.command = command
        self.onOutput = onOutput
        self.whenEnded = whenEnded
        input = command.input[...]
    }

    deinit { freeChannel() }

    var isEnded: Bool { phase == .ended }
    var deadline: Int64? { [limit, silence].compactMap(\.self).min() }

    /// Begins, on a session that nobody else uses.
    func begin(_ transport: SSHTransport, _ name: String, at now: Int64) {
        self.name = name
        limit = now + Self.milliseconds(command.timeout)
        guard let channel = ssh_channel_new(transport.session) else {
            return refuse(RemoteShellError(.session, "no memory for a command on \(name)"))
        }
        self.channel = channel
        listen(channel)
        phase = .opening
    }

    /// Goes on as far as possible.
    func step(_ transport: SSHTransport, at now: Int64) {
        guard let channel else { return }
        listenOn(at: now)
        if let deadline, now >= deadline, !isClosed { return giveUp() }
        if phase == .opening {
            switch ssh_channel_open_session(channel) {
            case SSH_OK: phase = .requesting
            case SSH_AGAIN: return
            default: return refuse(RemoteShellError(.refused, "\(name) opens no channel: \(transport.reason)"))
            }
        }
        if phase == .requesting {
            switch ssh_channel_request_exec(channel, command.line) {
            case SSH_OK: phase = .running
            case SSH_AGAIN where !isClosed: return
            default: return refuse(RemoteShellError(.refused, "\(name) runs no command: \(transport.reason)"))
            }
        }
        if isClosed { return finish() }
        sendInput(channel)
    }

    /// Every piece of output after the end of the process puts off the moment when no more is waited for.
    private func listenOn(at now: Int64) {
        let count = outcome.outputBytes + outcome.droppedBytes
        if outcome.status != nil, silence == nil || count != heard { silence = now + Self.patience }
        heard = count
    }

    /// Its time is over.
    private func giveUp() {
        endsSession = true
        if phase == .opening {
            return refuse(RemoteShellError(.timeout, "\(name) did not open a channel in time"))
        }
        if outcome.status == nil { outcome.stop = outcome.stop ?? .timeout }
        finish()
    }

    /// Tells it to stop, where it listens; else it is given up with its session.
    func cancel(at now: Int64) {
        guard outcome.stop == nil, phase != .ended else { return }
        outcome.stop = .cancelled
        if phase == .running, let stopInput = command.stopInput {
            input += stopInput
            limit = now + Self.milliseconds(command.grace)
            return
        }
        endsSession = true
        if phase == .running || phase == .requesting { return finish() }
        refuse(RemoteShellError(.cancelled, "the command on \(name) was given up"))
    }

    /// It never began.
    func refuse(_ error: RemoteShellError) {
        end(.failure(error))
    }

    /// The session is over: whether the command goes on is not known, if it was asked for.
    func abandon(_ error: RemoteShellError) {
        guard phase != .ended else { return }
        guard phase == .running || phase == .requesting else { return refuse(error) }
        if outcome.status == nil {
            outcome.stop = outcome.stop ?? (error.code == .cancelled ? .cancelled : .disconnected(error.message))
        }
        finish()
    }

    private func finish() {
        if outcome.status == nil, outcome.stop == nil {
            outcome.stop = .disconnected("\(name) closed the channel without saying how the command ended")
        }
        end(.success(outcome))
    }

    private func end(_ result: Result<RemoteOutcome, RemoteShellError>) {
        phase = .ended
        (limit, silence) = (nil, nil)
        freeChannel()
        let whenEnded = whenEnded
        self.whenEnded = nil
        whenEnded?(result)
    }

    private func sendInput(_ channel: ssh_channel) {
        guard isInputOpen else { return }
        while !input.isEmpty {
            let sent = input.prefix(32768).withUnsafeBytes {
                ssh_channel_write(channel, $0.baseAddress, UInt32($0.count))
            }
            // The server's window is full, or the channel closes: its end comes by itself.
            guard sent > 0 else { return }
            input = input.dropFirst(Int(sent))
        }
        guard command.stopInput == nil else { return }
        isInputOpen = false
        ssh_channel_send_eof(channel)
    }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
    }

    // MARK: - What the server says

    private func listen(_ channel: ssh_channel) {
        let callbacks = UnsafeMutablePointer<ssh_channel_callbacks_struct>.allocate(capacity: 1)
        callbacks.initialize(to: ssh_channel_callbacks_struct())
        callbacks.pointee.size = MemoryLayout<ssh_channel_callbacks_struct>.size
        callbacks.pointee.userdata = Unmanaged.passUnretained(self).toOpaque()
        callbacks.pointee.channel_data_function = commandHasOutput
        callbacks.pointee.channel_close_function = commandIsClosed
        callbacks.pointee.channel_exit_status_function = commandHasExited
        callbacks.pointee.channel_exit_signal_function = commandWasSignalled
        self.callbacks = callbacks
        ssh_set_channel_callbacks(channel, callbacks)
    }

    private func freeChannel() {
        guard let channel, let callbacks else { return }
        ssh_remove_channel_callbacks(channel, callbacks)
        ssh_channel_free(channel)
        callbacks.deallocate()
        self.channel = nil
        self.callbacks = nil
    }

    fileprivate func take(_ bytes: UnsafeRawBufferPointer, isError: Bool) {
        let room = max(0, command.outputLimit - outcome.outputBytes)
        let taken = min(room, bytes.count)
        outcome.outputBytes += taken
        outcome.droppedBytes += bytes.count - taken
        if taken > 0 { onOutput(RemoteOutput(isError ? .error : .output, Array(bytes.prefix(taken)))) }
    }

    fileprivate func note(_ status: RemoteOutcome.Status) {
        if outcome.status == nil { outcome.status = status }
    }

    fileprivate func noteClose() {
        isClosed = true
    }
}

private nonisolated func machine(_ context: UnsafeMutableRawPointer?) -> CommandMachine? {
    context.map { Unmanaged<CommandMachine>.fromOpaque($0).takeUnretainedValue() }
}

/// Returns how many bytes it has taken, which is all of them.
private nonisolated func commandHasOutput(
    _ session: ssh_session?,
    _ channel: ssh_channel?,
    _ bytes: UnsafeMutableRawPointer?,
    _ count: UInt32,
    _ isError: Int32,
    _ context: UnsafeMutableRawPointer?
) -> Int32 {
    machine(context)?.take(UnsafeRawBufferPointer(start: bytes, count: Int(count)), isError: isError != 0)
    return Int32(count)
}

private nonisolated func commandIsClosed(
    _ session: ssh_session?,
    _ channel: ssh_channel?,
    _ context: UnsafeMutableRawPointer?
) {
    machine(context)?.noteClose()
}

private nonisolated func commandHasExited(
    _ session: ssh_session?,
    _ channel: ssh_channel?,
    _ status: Int32,
    _ context: UnsafeMutableRawPointer?
) {
    machine(context)?.note(.exited(status))
}

private nonisolated func commandWasSignalled(
    _ session: ssh_session?,
    _ channel: ssh_channel?,
    _ signal: UnsafePointer<CChar>?,
    _ core: Int32,
    _ message: UnsafePointer<CChar>?,
    _ language: UnsafePointer<CChar>?,
    _ context: UnsafeMutableRawPointer?
) {
    machine(context)?.note(.signalled(signal.map { String(cString: $0) } ?? ""))
}
