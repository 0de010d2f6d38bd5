import Glibc

/// Whether something accepts connections at an address.
public enum TCPProbe {
    /// Connects and closes again; an error that says why it did not work within `timeout`.
    public static func connect(host: String, port: UInt16, timeout: Duration) async throws(SystemError) {
        let result = await DedicatedThread.run {
            Result { () throws(SystemError) in try connect(host, port, milliseconds: timeout.wholeMilliseconds) }
        }
        try result.get()
    }

    private static func connect(_ host: String, _ port: UInt16, milliseconds: Int64) throws(SystemError) {
        let name = "\(host):\(port)"
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { throw SystemError("resolve", name, because: String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        let deadline = MonotonicClock.milliseconds() + milliseconds
        var failure = SystemError("connect to", name, because: "it has no address")
        var entry = list
        while let address = entry?.pointee {
            let code = attempt(address, until: deadline)
            if code == 0 { return }
            failure = SystemError("connect to", name, errno: code)
            entry = address.ai_next
        }
        throw failure
    }

    /// 0, or the errno of the failure.
    private static func attempt(_ address: addrinfo, until deadline: Int64) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.ai_family, kind, 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return 0 }
        guard errno == EINPROGRESS else { return errno }
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let left = max(0, deadline - MonotonicClock.milliseconds())
        let count = retrying { poll(&entry, 1, Int32(clamping: left)) }
        guard count > 0 else { return count == 0 ? ETIMEDOUT : errno }
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else { return errno }
        return code
    }
}
