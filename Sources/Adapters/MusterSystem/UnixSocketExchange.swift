import Glibc

/// One request and everything that comes back for it over a Unix socket, within one deadline and one limit.
public enum UnixSocketExchange {
    /// Connects to the socket at `path`, sends `request`, and reads until `isComplete` says that the answer is whole, or the
    /// other side closes the connection.
    ///
    /// Fails when that takes longer than `timeout` (`isTimeout`), or when more than `limit` bytes come back.
    public static func run(
        _ path: String,
        request: [UInt8],
        limit: Int,
        timeout: Duration,
        isComplete: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }
    ) async throws(SystemError) -> [UInt8] {
        let result = await DedicatedThread.run {
            Result { () throws(SystemError) in
                let connection = try Connection(path, milliseconds: timeout.wholeMilliseconds)
                try connection.send(request)
                return try connection.receive(limit: limit, isComplete)
            }
        }
        return try result.get()
    }
}

/// A connected socket with a moment by which everything must be done.
private struct Connection {
    private let path: String
    private let socket: OpenFile
    private let deadline: Int64

    init(_ path: String, milliseconds: Int64) throws(SystemError) {
        self.path = path
        deadline = MonotonicClock.milliseconds() + milliseconds
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw SystemError("connect to", path, errno: errno) }
        socket = OpenFile(descriptor: descriptor, path: path)
        try connect()
    }

    private func connect() throws(SystemError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { field in
            guard bytes.count < field.count, !bytes.contains(0) else { return false }
            field.copyBytes(from: bytes)
            return true
        }
        guard fits else { throw SystemError("connect to", path, errno: ENAMETOOLONG) }
        while true {
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                // Its queue of connections is full.
                guard MonotonicClock.milliseconds() < deadline else { throw late }
                usleep(10_000)
            case let code: throw SystemError("connect to", path, errno: code)
            }
        }
    }

    func send(_ bytes: [UInt8]) throws(SystemError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            try wait(for: POLLOUT)
            let count = rest.withUnsafeBytes {
                Glibc.send(socket.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR, errno != EAGAIN {
                throw SystemError("write to", path, errno: errno)
            }
        }
    }

    func receive(limit: Int, _ isComplete: ([UInt8]) -> Bool) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            try wait(for: POLLIN)
            let count = piece.withUnsafeMutableBytes { recv(socket.descriptor, $0.baseAddress, $0.count, 0) }
            if count == 0 { return bytes }
            if count > 0 {
                guard bytes.count + count <= limit else {
                    throw SystemError("read from", path, because: "it answered with more than \(limit) bytes")
                }
                bytes.append(contentsOf: piece[..<count])
                if isComplete(bytes) { return bytes }
            } else if errno != EINTR, errno != EAGAIN {
                throw SystemError("read from", path, errno: errno)
            }
        }
    }

    private func wait(for events: Int32) throws(SystemError) {
        while true {
            let left = deadline - MonotonicClock.milliseconds()
            guard left > 0 else { throw late }
            var watched = pollfd(fd: socket.descriptor, events: Int16(events), revents: 0)
            let ready = poll(&watched, 1, Int32(clamping: left))
            if ready > 0 { return }
            guard ready == 0 || errno == EINTR else { throw SystemError("wait for", path, errno: errno) }
        }
    }

    private var late: SystemError {
        SystemError("get an answer from", path, because: "it did not answer in time", errno: ETIMEDOUT)
    }
}
