import Glibc
import MusterSystem

/// TCP connections that are made without waiting for them.
enum NonblockingSocket {
    /// Begins to connect and returns the descriptor; the error says what could not even be begun.
    static func begin(_ host: RemoteHost) throws(RemoteShellError) -> Int32 {
        guard let target = SocketAddress(host.address, host.port) else {
            throw RemoteShellError(.unreachable, "'\(host.address)' is no address to connect to")
        }
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(target.family, kind, 0)
        guard descriptor >= 0 else { throw failure(host.name, errno) }
        do throws(RemoteShellError) {
            try begin(descriptor, target, host)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// An error where the connection that was begun could not be made; called once the descriptor can be written to.
    static func check(_ descriptor: Int32, _ host: RemoteHost) throws(RemoteShellError) {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let result = getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        guard result == 0, code == 0 else { throw failure(host.name, result == 0 ? code : errno) }
    }

    private static func begin(
        _ descriptor: Int32,
        _ target: SocketAddress,
        _ host: RemoteHost
    ) throws(RemoteShellError) {
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        if let source = host.source {
            guard let own = SocketAddress(source, 0) else {
                throw RemoteShellError(.unreachable, "'\(source)' is no address to come from")
            }
            guard own.with({ bind(descriptor, $0, $1) }) == 0 else {
                throw failure("\(host.name) from \(source)", errno)
            }
        }
        guard target.with({ connect(descriptor, $0, $1) }) == 0 || errno == EINPROGRESS else {
            throw failure(host.name, errno)
        }
    }

    private static func failure(_ name: String, _ code: Int32) -> RemoteShellError {
        RemoteShellError(.unreachable, SystemError("connect to", name, errno: code).description)
    }
}

/// A socket address of numbers.
struct SocketAddress {
    private var storage: sockaddr_storage
    private let length: socklen_t
    let family: Int32

    init?(_ address: String, _ port: UInt16) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address, String(port), &hints, &list) == 0, let entry = list?.pointee else { return nil }
        defer { freeaddrinfo(list) }
        storage = sockaddr_storage()
        length = entry.ai_addrlen
        family = entry.ai_family
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: entry.ai_addr, count: Int(entry.ai_addrlen)))
        }
    }

    func with(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
