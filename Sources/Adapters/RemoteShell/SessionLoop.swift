import CLibSSH
import Glibc
import MusterSystem
import Synchronization

/// One thread that moves many sessions on, each as soon as something came for it.
///
/// libssh's blocking calls would need a thread for each session; its non-blocking ones need somebody who knows when to call
/// them again. Everything about a session happens on its loop's thread; others leave orders, which are done in their order.
final class SessionLoop: Sendable {
    /// Something to be done on the thread.
    typealias Order = @Sendable (SessionTable) -> Void

    private struct Inbox {
        var orders: [Order] = []
        var isEnded = false
        /// Whether the thread has left, and who waits for that.
        var hasLeft = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let inbox = Mutex(Inbox())
    /// Readable while there are orders; the other end is written to.
    private let bell: Int32
    private let rope: Int32

    /// Starts the thread.
    init() throws(RemoteShellError) {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        var pair: [Int32] = [-1, -1]
        let isPaired = socketpair(AF_UNIX, kind, 0, &pair) == 0
        (bell, rope) = (pair[0], pair[1])
        guard isPaired else { throw Self.failure(errno) }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, &attributes, runSessionLoop, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw Self.failure(code)
        }
    }

    deinit {
        for descriptor in [bell, rope] where descriptor >= 0 { close(descriptor) }
    }

    /// Leaves an order; false where the loop has ended, and nothing will be done.
    @discardableResult
    func submit(_ order: @escaping Order) -> Bool {
        let isTaken = inbox.withLock { inbox in
            guard !inbox.isEnded else { return false }
            inbox.orders.append(order)
            return true
        }
        if isTaken { ring() }
        return isTaken
    }

    /// Closes every session and ends the thread.
    func end() {
        inbox.withLock { $0.isEnded = true }
        ring()
    }

    /// Returns once the thread does nothing more.
    ///
    /// A program that ends while a thread is inside OpenSSL may crash, since OpenSSL takes itself down at exit.
    func ended() async {
        await withCheckedContinuation { continuation in
            let hasLeft = inbox.withLock { inbox in
                if !inbox.hasLeft { inbox.waiters.append(continuation) }
                return inbox.hasLeft
            }
            if hasLeft { continuation.resume() }
        }
    }

    private func leave() {
        let waiters = inbox.withLock { inbox in
            inbox.hasLeft = true
            defer { inbox.waiters = [] }
            return inbox.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func ring() {
        // Full means that it rings already.
        var one: UInt8 = 1
        _ = send(rope, &one, 1, Int32(MSG_NOSIGNAL))
    }

    /// The thread's work, until `end`.
    fileprivate func run() {
        let table = SessionTable()
        while true {
            let (orders, isEnded) = inbox.withLock { inbox in
                defer { inbox.orders = [] }
                return (inbox.orders, inbox.isEnded)
            }
            for order in orders { order(table) }
            if isEnded {
                table.closeAll()
                return leave()
            }
            wait(table)
        }
    }

    /// Waits until something can be done, and does it.
    private func wait(_ table: SessionTable) {
        var watched = [pollfd(fd: bell, events: Int16(POLLIN), revents: 0)]
        let sessions = table.watch(&watched)
        let left = table.nextDeadline.map { max(0, $0 - MonotonicClock.milliseconds()) }
        let timeout = left.map { Int32(clamping: $0 + 1) } ?? -1
        guard poll(&watched, nfds_t(watched.count), timeout) >= 0 else { return }
        if watched[0].revents != 0 {
            withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) {
                while read(bell, $0.baseAddress, $0.count) == $0.count {}
            }
        }
        let now = MonotonicClock.milliseconds()
        for (index, session) in sessions.enumerated() {
            let isReady = watched[index + 1].revents != 0
            if isReady || session.isDue(at: now) { session.step(at: now) }
        }
        table.removeEnded()
    }

    private static func failure(_ code: Int32) -> RemoteShellError {
        RemoteShellError(.session, SystemError("start", "a thread for SSH sessions", errno: code).description)
    }
}

private nonisolated func runSessionLoop(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<SessionLoop>.fromOpaque(context).takeRetainedValue().run()
    return nil
}

/// The sessions of one loop, known on its thread only.
final class SessionTable {
    private var sessions: [UInt64: SessionMachine] = [:]

    subscript(id: UInt64) -> SessionMachine? { sessions[id] }

    func add(_ session: SessionMachine, _ id: UInt64) {
        session.step(at: MonotonicClock.milliseconds())
        if !session.isEnded { sessions[id] = session }
    }

    func removeEnded() {
        for (id, session) in sessions where session.isEnded { sessions[id] = nil }
    }

    func closeAll() {
        for session in sessions.values { session.close() }
        sessions = [:]
    }

    var nextDeadline: Int64? { sessions.values.compactMap(\.deadline).min() }

    /// Adds what each session waits for; the sessions come back in the same order.
    func watch(_ watched: inout [pollfd]) -> [SessionMachine] {
        var order: [SessionMachine] = []
        order.reserveCapacity(sessions.count)
        for session in sessions.values {
            watched.append(pollfd(fd: session.descriptor, events: session.interest, revents: 0))
            order.append(session)
        }
        return order
    }
}
