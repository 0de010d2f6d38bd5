import MusterSystem

/// A login on one machine: runs commands one after another, and ends when it is closed or nobody refers to it any more.
public final class RemoteSession: Sendable {
    private let loop: SessionLoop
    private let id: UInt64
    private let name: String
    private let gate: LoginGate
    private let place: LoginTurn

    init(_ loop: SessionLoop, _ id: UInt64, _ name: String, _ gate: LoginGate, _ place: LoginTurn) {
        self.loop = loop
        self.id = id
        self.name = name
        self.gate = gate
        self.place = place
    }

    deinit {
        close()
        place.leave()
        gate.endSession()
    }

    /// Ends the session; a command that still runs is given up.
    public func close() {
        let id = id
        loop.submit { table in
            table[id]?.close()
            table.removeEnded()
        }
    }

    /// Runs a command to its end, and hands on its output as it comes.
    ///
    /// An error means that nothing was run; what is known of a command that was asked for is in the outcome. `onOutput` is
    /// called on the thread that serves all sessions: it takes the piece and returns at once. When the task is cancelled, the
    /// command is told to stop where it listens; else the session ends.
    public func run(
        _ command: RemoteCommand,
        onOutput: @escaping @Sendable (RemoteOutput) -> Void = { _ in }
    ) async throws(RemoteShellError) -> RemoteOutcome {
        let (loop, id, name) = (loop, id, name)
        let wish = Wish()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation {
                (continuation: CheckedContinuation<Result<RemoteOutcome, RemoteShellError>, Never>) in
                let isTaken = loop.submit { table in
                    let machine = CommandMachine(command, onOutput: onOutput) { continuation.resume(returning: $0) }
                    if wish.isCancelled {
                        return machine.refuse(RemoteShellError(.cancelled, "the command on \(name) was given up"))
                    }
                    guard let session = table[id] else {
                        return machine.refuse(RemoteShellError(.session, "the session with \(name) is closed"))
                    }
                    session.run(machine, at: MonotonicClock.milliseconds())
                }
                if !isTaken {
                    continuation.resume(returning: .failure(RemoteShellError(.session, "the remote shell is closed")))
                }
            }
        } onCancel: {
            wish.cancel()
            loop.submit { table in table[id]?.cancel(at: MonotonicClock.milliseconds()) }
        }
        place.leave()
        withExtendedLifetime(self) {}
        return try result.get()
    }
}
