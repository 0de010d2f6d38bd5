import ByteCoding
import Glibc
import Synchronization

/// Waits on a TCP port of its own until somebody comes and says one line.
///
/// For a short while only: it holds a few connections at a time, reads no more than the line is long, and writes nothing.
public final class VisitListener: Sendable {
    /// Most connections at a time.
    private static let limit = 16
    /// Milliseconds that one connection may take.
    private static let patience: Int64 = 10000
    /// How often cancellation is looked at, in milliseconds.
    private static let tick: Int64 = 100

    /// The numeric address that it waits on.
    public let address: String
    /// The port, which the kernel chose.
    public let port: UInt16
    private let socket: OpenFile
    private let cancelled = Atomic<Bool>(false)

    /// Begins to wait on a numeric address of this machine.
    public init(_ address: String) throws(SystemError) {
        guard let own = try SocketAddress.resolve(address, 0, numeric: true).first else {
            throw SystemError("listen on", address, because: "it is no address")
        }
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = Glibc.socket(own.family, kind, 0)
        guard descriptor >= 0 else { throw SystemError("listen on", address, errno: errno) }
        let socket = OpenFile(descriptor: descriptor, path: address)
        guard own.bind(descriptor) == 0, Glibc.listen(descriptor, Int32(Self.limit)) == 0,
            let bound = SocketAddress.own(descriptor)
        else { throw SystemError("listen on", address, errno: errno) }
        self.socket = socket
        self.address = address
        port = bound.port
    }

    /// The address of the first visitor who says `line` and whom `counts` takes; nil where none comes in time, or the task
    /// is cancelled.
    public func visitor(
        saying line: String,
        within timeout: Duration,
        counts: @escaping @Sendable (String) -> Bool
    ) async -> String? {
        let expected = Array((line + "\n").utf8)
        return await withTaskCancellationHandler {
            await DedicatedThread.run { [self] in
                wait(expected, until: MonotonicClock.milliseconds() + timeout.wholeMilliseconds, counts)
            }
        } onCancel: {
            cancelled.store(true, ordering: .relaxed)
        }
    }

    private struct Guest {
        let file: OpenFile
        let address: String
        let until: Int64
        var said: [UInt8] = []
    }

    private func wait(_ expected: [UInt8], until deadline: Int64, _ counts: (String) -> Bool) -> String? {
        var guests: [Guest] = []
        while !cancelled.load(ordering: .relaxed) {
            let now = MonotonicClock.milliseconds()
            guard now < deadline else { return nil }
            guests.removeAll { $0.until <= now }
            var entries = guests.map { pollfd(fd: $0.file.descriptor, events: Int16(POLLIN), revents: 0) }
            let isFull = guests.count >= Self.limit
            entries.append(pollfd(fd: isFull ? -1 : socket.descriptor, events: Int16(POLLIN), revents: 0))
            let patience = Int32(clamping: min(deadline - now, Self.tick))
            guard poll(&entries, nfds_t(entries.count), patience) > 0 else { continue }
            for index in guests.indices.reversed() where entries[index].revents != 0 {
                switch listen(to: &guests[index], expected) {
                case .waits: continue
                case .said: return guests[index].address
                case .goes: guests.remove(at: index)
                }
            }
            if entries[entries.count - 1].revents != 0, let guest = accept(now, counts) { guests.append(guest) }
        }
        return nil
    }

    private func accept(_ now: Int64, _ counts: (String) -> Bool) -> Guest? {
        let descriptor = retrying { Glibc.accept(socket.descriptor, nil, nil) }
        guard descriptor >= 0 else {
            // Out of descriptors, or of memory: the guest stays at the door, which would be said again at once.
            if errno != EAGAIN { usleep(UInt32(Self.tick) * 1000) }
            return nil
        }
        let file = OpenFile(descriptor: descriptor, path: "a visitor")
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else {
            return nil
        }
        guard let address = SocketAddress.peer(descriptor)?.text, counts(address) else { return nil }
        return Guest(file: file, address: address, until: now + Self.patience)
    }

    private enum Conduct {
        case waits
        case said
        case goes
    }

    private func listen(to guest: inout Guest, _ expected: [UInt8]) -> Conduct {
        var bytes = [UInt8](repeating: 0, count: expected.count + 1 - guest.said.count)
        let count = retrying { read(guest.file.descriptor, &bytes, bytes.count) }
        if count < 0 { return errno == EAGAIN ? .waits : .goes }
        guest.said += bytes.prefix(count)
        if guest.said.count > expected.count { return .goes }
        if guest.said.count == expected.count { return ConstantTime.equal(guest.said, expected) ? .said : .goes }
        return count == 0 ? .goes : .waits
    }
}
