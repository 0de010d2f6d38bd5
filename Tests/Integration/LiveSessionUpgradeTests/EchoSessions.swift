import CLinux
import Glibc
import MusterSystem
import MusterTestSupport
import Synchronization

/// SSH sessions by real `ssh` programs that are kept busy: each is sent a line every 50 ms and sends it back.
///
/// One thread of its own does that, so that what is measured is not how busy the tests are.
final class EchoSessions: Sendable {
    /// How the sessions fared.
    struct Story: Sendable {
        /// Lines that were sent, over all sessions.
        var sent = 0
        /// Lines that came back, each in its turn.
        var returned = 0
        /// Sessions that ended, or sent back something else.
        var dropped: [String] = []
        /// The longest time between two lines that came back in one session, in milliseconds.
        var worstGap: Int64 = 0
        /// The longest time from sending a line to its coming back, in milliseconds.
        var worstEcho: Int64 = 0
        /// Sessions that have sent back at least one line.
        var answering = 0
    }

    private struct Order {
        var isSending = true
        var isEnded = false
        var hasLeft = false
        var story = Story()
    }

    static let pause: Int64 = 50

    private let order = Mutex(Order())
    private let processes: [pid_t]
    private let descriptors: [Int32]

    /// Starts `count` times `ssh` with these arguments, whose command must send back what it is sent; errors go to `log`.
    init(_ count: Int, _ arguments: [String], log: String) throws {
        var processes: [pid_t] = []
        var descriptors: [Int32] = []
        for _ in 0..<count {
            let (process, descriptor) = try Self.start(arguments, log)
            processes.append(process)
            descriptors.append(descriptor)
        }
        (self.processes, self.descriptors) = (processes, descriptors)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, nil, runEchoSessions, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw SystemError("start", "a thread", errno: code)
        }
        pthread_detach(thread)
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    /// How they fare so far.
    var story: Story { order.withLock(\.story) }

    /// Sends no more, waits until everything is back or a minute is over, and ends the sessions.
    func end() async -> Story {
        order.withLock { $0.isSending = false }
        for _ in 0..<6000 {
            let story = story
            if story.returned == story.sent || !story.dropped.isEmpty { break }
            try? await Task.sleep(for: .milliseconds(10))
        }
        let story = story
        order.withLock { $0.isEnded = true }
        while !order.withLock(\.hasLeft) { try? await Task.sleep(for: .milliseconds(10)) }
        for process in processes { kill(process, SIGTERM) }
        for process in processes {
            var status: Int32 = 0
            while waitpid(process, &status, WNOHANG) == 0 { try? await Task.sleep(for: .milliseconds(10)) }
        }
        return story
    }

    private static func start(_ arguments: [String], _ log: String) throws -> (pid_t, Int32) {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else { throw SystemError("create", "a socket", errno: errno) }
        let errors = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        var words = (["/usr/bin/ssh"] + arguments).map { strdup($0) } + [nil]
        let path = "PATH=/usr/bin:/bin"
        var variables = [strdup(path), nil]
        defer {
            for pointer in words + variables { free(pointer) }
            for descriptor in [pair[1], errors] { close(descriptor) }
        }
        var process: pid_t = 0
        let code = clinux_spawn(&process, "/usr/bin/ssh", &words, &variables, nil, [pair[1], pair[1], errors], 3, 1)
        guard code == 0 else { throw SystemError("start", "/usr/bin/ssh", errno: code) }
        _ = fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) | O_NONBLOCK)
        return (process, pair[0])
    }

    // MARK: The thread

    /// What the thread knows of one session.
    private struct Session {
        let descriptor: Int32
        var isOpen = true
        var sent: [Int64] = []
        var returned = 0
        var partial: [UInt8] = []
        var last: Int64?
    }

    fileprivate func run() {
        var sessions = descriptors.map { Session(descriptor: $0) }
        var due = MonotonicClock.milliseconds()
        while true {
            let (isSending, isEnded) = order.withLock { ($0.isSending, $0.isEnded) }
            if isEnded { break }
            let now = MonotonicClock.milliseconds()
            if isSending, now >= due {
                for index in sessions.indices { send(&sessions[index], now) }
                due = max(due + Self.pause, now)
            }
            var watched = sessions.map { pollfd(fd: $0.isOpen ? $0.descriptor : -1, events: Int16(POLLIN), revents: 0) }
            guard poll(&watched, nfds_t(watched.count), 5) > 0 else { continue }
            for index in sessions.indices where watched[index].revents != 0 { receive(&sessions[index], index) }
        }
        order.withLock { $0.hasLeft = true }
    }

    private func send(_ session: inout Session, _ now: Int64) {
        // The first line alone until it is back: until then ssh is still logging in.
        guard session.isOpen, session.returned > 0 || session.sent.isEmpty else { return }
        let line = Array("\(session.sent.count)\n".utf8)
        // A full socket is a session that stands still: its gap shows that.
        guard clinux_write_quietly(session.descriptor, line, line.count) == line.count else { return }
        session.sent.append(now)
        order.withLock { $0.story.sent += 1 }
    }

    private func receive(_ session: inout Session, _ index: Int) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(session.descriptor, &bytes, bytes.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return drop(&session, "session \(index) ended after \(session.returned) lines") }
        let now = MonotonicClock.milliseconds()
        session.partial += bytes[..<count]
        while let end = session.partial.firstIndex(of: 10) {
            let number = Int(String(decoding: session.partial[..<end], as: UTF8.self))
            session.partial.removeSubrange(...end)
            guard number == session.returned, session.returned < session.sent.count else {
                return drop(
                    &session,
                    "session \(index) sent back another line than the one numbered \(session.returned)"
                )
            }
            note(&session, now)
        }
    }

    private func note(_ session: inout Session, _ now: Int64) {
        let echo = now - session.sent[session.returned]
        let gap = session.last.map { now - $0 } ?? 0
        let isFirst = session.returned == 0
        session.returned += 1
        session.last = now
        order.withLock { order in
            order.story.returned += 1
            order.story.worstGap = max(order.story.worstGap, gap)
            if isFirst { order.story.answering += 1 } else { order.story.worstEcho = max(order.story.worstEcho, echo) }
        }
    }

    private func drop(_ session: inout Session, _ why: String) {
        session.isOpen = false
        order.withLock { $0.story.dropped.append(why) }
    }
}

private nonisolated func runEchoSessions(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<EchoSessions>.fromOpaque(context).takeRetainedValue().run()
    return nil
}
