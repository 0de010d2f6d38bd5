import Glibc

/// One connection over which one line goes and nothing comes back.
public enum Visit {
    /// Connects to a numeric address, writes the line, and closes; an error says why that did not work within `timeout`.
    ///
    /// `source` is the address to come from, where it matters.
    public static func pay(
        _ address: String,
        port: UInt16,
        line: String,
        from source: String? = nil,
        timeout: Duration
    ) async throws(SystemError) {
        let result = await DedicatedThread.run {
            Result { () throws(SystemError) in
                try pay(address, port, Array((line + "\n").utf8), source, timeout.wholeMilliseconds)
            }
        }
        try result.get()
    }

    private static func pay(
        _ address: String,
        _ port: UInt16,
        _ bytes: [UInt8],
        _ source: String?,
        _ milliseconds: Int64
    ) throws(SystemError) {
        let name = "\(address):\(port)"
        guard let target = try SocketAddress.resolve(address, port, numeric: true).first else {
            throw SystemError("visit", name, because: "it is no address")
        }
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(target.family, kind, 0)
        guard descriptor >= 0 else { throw SystemError("visit", name, errno: errno) }
        defer { close(descriptor) }
        if let source, let own = try SocketAddress.resolve(source, 0, numeric: true).first {
            guard own.bind(descriptor) == 0 else { throw SystemError("come from", source, errno: errno) }
        }
        let deadline = MonotonicClock.milliseconds() + milliseconds
        if target.connect(descriptor) != 0 {
            guard errno == EINPROGRESS else { throw SystemError("visit", name, errno: errno) }
            try wait(descriptor, until: deadline, name)
        }
        // A new connection takes so little at once.
        let count = retrying { send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
        guard count == bytes.count else { throw SystemError("visit", name, errno: count < 0 ? errno : EAGAIN) }
    }

    private static func wait(_ descriptor: Int32, until deadline: Int64, _ name: String) throws(SystemError) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let left = max(0, deadline - MonotonicClock.milliseconds())
        let count = retrying { poll(&entry, 1, Int32(clamping: left)) }
        guard count > 0 else { throw SystemError("visit", name, errno: count == 0 ? ETIMEDOUT : errno) }
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else {
            throw SystemError("visit", name, errno: errno)
        }
        guard code == 0 else { throw SystemError("visit", name, errno: code) }
    }
}
