import Glibc
import MusterSystem
import Synchronization

/// Logs in on machines by SSH and runs commands there, hundreds at once on a few threads of its own.
///
/// The parties: an operator's machine, which holds a key made for this purpose and its certificate, in memory only; and
/// nodes' sshds, each of which must prove to have a host key that the caller names. libssh 0.10 verifies no host
/// certificates and reads revocations from nowhere, so both are checked here before anything secret is said.
public final class RemoteShell: Sendable {
    private let loops: [SessionLoop]
    private let gate: LoginGate
    private let nextID = Atomic<UInt64>(1)

    /// Starts the threads: two serve hundreds of sessions, since a login costs this side two milliseconds.
    public init(window: SessionWindow = SessionWindow(), threads: Int = 2) throws(RemoteShellError) {
        gate = LoginGate(window)
        var loops: [SessionLoop] = []
        for _ in 0..<max(1, threads) { loops.append(try SessionLoop()) }
        self.loops = loops
    }

    deinit {
        for loop in loops { loop.end() }
    }

    /// Closes every session and waits for the threads to end; nothing can be run any more.
    ///
    /// To be called before the program ends: OpenSSL takes itself down at exit, also while a thread is inside it.
    public func close() async {
        for loop in loops { loop.end() }
        for loop in loops { await loop.ended() }
    }

    /// Logs in; `timeout` counts from the moment when the window lets the login begin.
    public func connect(
        _ host: RemoteHost,
        as identity: RemoteIdentity,
        timeout: Duration = .seconds(20)
    ) async throws(RemoteShellError) -> RemoteSession {
        let machine = host.machine
        guard !host.hostKeyAlgorithms.isEmpty else {
            throw RemoteShellError(.hostKey, "no host key of \(host.name) is known that could be checked")
        }
        guard await gate.enter(machine) else {
            throw RemoteShellError(.cancelled, "the login on \(host.name) was given up")
        }
        let id = nextID.wrappingAdd(1, ordering: .relaxed).oldValue
        let place = LoginTurn(gate, machine)
        if let failure = await logIn(host, identity, timeout, id) {
            place.leave()
            gate.endSession()
            throw failure
        }
        place.leave(after: SessionWindow.patience)
        return RemoteSession(loop(id), id, host.name, gate, place)
    }

    private func loop(_ id: UInt64) -> SessionLoop { loops[Int(id % UInt64(loops.count))] }

    /// Nil once there is a session.
    private func logIn(
        _ host: RemoteHost,
        _ identity: RemoteIdentity,
        _ timeout: Duration,
        _ id: UInt64
    ) async -> RemoteShellError? {
        let loop = loop(id)
        let wish = Wish()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<RemoteShellError?, Never>) in
                let isTaken = loop.submit { table in
                    guard !wish.isCancelled else {
                        return continuation.resume(
                            returning: RemoteShellError(.cancelled, "the login on \(host.name) was given up")
                        )
                    }
                    let deadline = MonotonicClock.milliseconds() + timeout.wholeMilliseconds
                    let machine = SessionMachine(host, identity, deadline: deadline) {
                        continuation.resume(returning: $0)
                    }
                    table.add(machine, id)
                }
                if !isTaken {
                    continuation.resume(returning: RemoteShellError(.session, "the remote shell is closed"))
                }
            }
        } onCancel: {
            wish.cancel()
            loop.submit { table in table[id]?.cancel(at: MonotonicClock.milliseconds()) }
        }
    }
}

/// Whether somebody still wants what was asked for.
final class Wish: Sendable {
    private let cancelled = Atomic(false)

    var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

    func cancel() {
        cancelled.store(true, ordering: .releasing)
    }
}
