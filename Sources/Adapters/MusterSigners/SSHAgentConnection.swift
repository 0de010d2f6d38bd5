import ByteCoding
import Glibc
import MusterSystem
import OpenSSHFormats

/// One request and its reply over an agent's socket, with one deadline for all of it.
struct SSHAgentConnection {
    private let path: String
    private let socket: OpenFile
    private let deadline: Int64

    init(path: String, timeout: Duration) throws(SigningError) {
        self.path = path
        deadline = MonotonicClock.milliseconds() + Int64(timeout / .milliseconds(1))
        let descriptor = Glibc.socket(
            AF_UNIX,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue),
            0
        )
        guard descriptor >= 0 else { throw Self.unavailable(path, errno) }
        socket = OpenFile(descriptor: descriptor, path: path)
        try connect()
    }

    /// Sends a message with its length in front and reads one back.
    func exchange(_ payload: [UInt8]) throws(SigningError) -> [UInt8] {
        var writer = ByteWriter()
        writer.string(payload)
        guard writer.bytes.count <= SSHAgentRequest.byteLimit else {
            throw SigningError(.malformed, "a message of \(payload.count) bytes is too long for an ssh-agent")
        }
        try send(writer.bytes)
        let length = try receive(4).reduce(0) { $0 << 8 | Int($1) }
        guard (1...SSHAgentRequest.byteLimit).contains(length) else {
            throw SigningError(.malformed, "the ssh-agent at \(path) answered with \(length) bytes")
        }
        return try receive(length)
    }

    private func connect() throws(SigningError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { field in
            guard bytes.count < field.count, !bytes.contains(0) else { return false }
            field.copyBytes(from: bytes)
            return true
        }
        guard fits else { throw Self.unavailable(path, ENAMETOOLONG) }
        while true {
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return }
            switch errno {
            case EINTR: continue
            case EAGAIN: try pause()  // its queue of connections is full
            case let code: throw Self.unavailable(path, code)
            }
        }
    }

    private func send(_ bytes: [UInt8]) throws(SigningError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            try wait(for: POLLOUT)
            let count = rest.withUnsafeBytes {
                Glibc.send(socket.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR, errno != EAGAIN {
                throw Self.unavailable(path, errno)
            }
        }
    }

    private func receive(_ count: Int) throws(SigningError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: min(count, 65536))
        while bytes.count < count {
            try wait(for: POLLIN)
            let wanted = min(piece.count, count - bytes.count)
            let received = piece.withUnsafeMutableBytes { recv(socket.descriptor, $0.baseAddress, wanted, 0) }
            if received > 0 {
                bytes.append(contentsOf: piece[..<received])
            } else if received == 0 {
                throw SigningError(.unavailable, "the ssh-agent at \(path) closed the connection without an answer")
            } else if errno != EINTR, errno != EAGAIN {
                throw Self.unavailable(path, errno)
            }
        }
        return bytes
    }

    private func wait(for events: Int32) throws(SigningError) {
        while true {
            let left = deadline - MonotonicClock.milliseconds()
            guard left > 0 else { throw timedOut }
            var watched = pollfd(fd: socket.descriptor, events: Int16(events), revents: 0)
            let ready = poll(&watched, 1, Int32(clamping: left))
            if ready > 0 { return }
            guard ready == 0 || errno == EINTR else { throw Self.unavailable(path, errno) }
        }
    }

    private func pause() throws(SigningError) {
        guard MonotonicClock.milliseconds() < deadline else { throw timedOut }
        usleep(10_000)
    }

    private var timedOut: SigningError {
        SigningError(
            .timedOut,
            "the ssh-agent at \(path) did not answer in time: does it wait for a touch or a question?"
        )
    }

    private static func unavailable(_ path: String, _ code: Int32) -> SigningError {
        let error = SystemError("reach the ssh-agent at", path, errno: code)
        return SigningError(.unavailable, "\(error): is it running, and does SSH_AUTH_SOCK name its socket?")
    }
}
