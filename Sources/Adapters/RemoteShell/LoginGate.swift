import Synchronization

/// How much is done at once.
public struct SessionWindow: Sendable {
    /// How long a place is kept at most after a login, for a first command that takes its time.
    static let patience = Duration.seconds(1)

    /// Logins under way at once, in all.
    public var logins: Int
    /// Logins under way at once on one machine.
    ///
    /// sshd drops some of more than ten (`MaxStartups`), and slows down long before: a login is nearly all its own work. The
    /// start of the first command belongs to it, and its end, if that comes within a second.
    public var loginsPerMachine: Int
    /// Sessions open at once, in all.
    public var sessions: Int

    /// A window of these numbers.
    public init(logins: Int = 64, loginsPerMachine: Int = 4, sessions: Int = 512) {
        self.logins = logins
        self.loginsPerMachine = loginsPerMachine
        self.sessions = sessions
    }
}

/// Lets logins begin, in the order in which they came as far as their machines have room.
final class LoginGate: Sendable {
    private struct Waiter {
        let id: UInt64
        let machine: String
        let enter: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var logins: [String: Int] = [:]
        var loginCount = 0
        var sessionCount = 0
        var nextID: UInt64 = 0
        var waiters: [Waiter] = []
        /// Those who gave up before they began to wait.
        var cancelled: Set<UInt64> = []
    }

    private let window: SessionWindow
    private let state = Mutex(State())

    init(_ window: SessionWindow) {
        self.window = window
    }

    /// Waits for a turn; false where the task was cancelled.
    func enter(_ machine: String) async -> Bool {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.waiters.append(Waiter(id: id, machine: machine, enter: continuation))
                    return false
                }
                if isCancelled { continuation.resume(returning: false) } else { admit() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                    // Not waiting yet, or in already: then nobody looks, and the number never comes again.
                    state.cancelled.insert(id)
                    return nil
                }
                return state.waiters.remove(at: index)
            }
            waiter?.enter.resume(returning: false)
        }
    }

    /// The login is over; the session goes on until `endSession`.
    func endLogin(_ machine: String) {
        state.withLock { state in
            state.loginCount -= 1
            let left = (state.logins[machine] ?? 1) - 1
            state.logins[machine] = left > 0 ? left : nil
        }
        admit()
    }

    /// A session is over.
    func endSession() {
        state.withLock { $0.sessionCount -= 1 }
        admit()
    }

    private func admit() {
        let window = window
        let admitted = state.withLock { state -> [Waiter] in
            var admitted: [Waiter] = []
            var index = 0
            while index < state.waiters.count, state.loginCount < window.logins,
                state.sessionCount < window.sessions
            {
                let machine = state.waiters[index].machine
                guard state.logins[machine, default: 0] < window.loginsPerMachine else {
                    index += 1
                    continue
                }
                state.logins[machine, default: 0] += 1
                state.loginCount += 1
                state.sessionCount += 1
                admitted.append(state.waiters.remove(at: index))
            }
            return admitted
        }
        for waiter in admitted { waiter.enter.resume(returning: true) }
    }
}

/// A place among the logins under way, which is left once.
final class LoginTurn: Sendable {
    private let gate: LoginGate
    private let machine: String
    private let isLeft = Atomic(false)

    init(_ gate: LoginGate, _ machine: String) {
        self.gate = gate
        self.machine = machine
    }

    func leave() {
        guard !isLeft.exchange(true, ordering: .acquiringAndReleasing) else { return }
        gate.endLogin(machine)
    }

    /// Leaves after a while, unless that happened before.
    func leave(after duration: Duration) {
        Task {
            try? await Task.sleep(for: duration)
            leave()
        }
    }
}
