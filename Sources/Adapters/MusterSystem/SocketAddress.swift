import Glibc

/// An IPv4 or IPv6 address with its port, as the kernel takes it.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private let length: socklen_t

    /// A copy; nil for other families.
    init?(_ address: UnsafePointer<sockaddr>) {
        switch Int32(address.pointee.sa_family) {
        case AF_INET: length = socklen_t(MemoryLayout<sockaddr_in>.size)
        case AF_INET6: length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        default: return nil
        }
        withUnsafeMutableBytes(of: &storage) { storage in
            storage.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(length)))
        }
    }

    /// The addresses of a host, each once, for TCP.
    static func resolve(_ host: String, _ port: UInt16, numeric: Bool = false) throws(SystemError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : 0)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { throw SystemError("resolve", host, because: String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var entry = list
        while let current = entry?.pointee {
            entry = current.ai_next
            if let address = current.ai_addr, let copy = SocketAddress(address) { found.append(copy) }
        }
        return found
    }

    /// The local end of a socket.
    static func own(_ descriptor: Int32) -> SocketAddress? {
        read { getsockname(descriptor, $0, $1) }
    }

    /// The other end of a socket.
    static func peer(_ descriptor: Int32) -> SocketAddress? {
        read { getpeername(descriptor, $0, $1) }
    }

    /// How many leading bits of a mask are set; the mask's own family may be left empty by the kernel.
    static func bits(of mask: UnsafePointer<sockaddr>, family address: UnsafePointer<sockaddr>) -> Int? {
        let (offset, count): (Int, Int)
        switch Int32(address.pointee.sa_family) {
        case AF_INET: (offset, count) = (4, 4)
        case AF_INET6: (offset, count) = (8, 16)
        default: return nil
        }
        let bytes = UnsafeRawBufferPointer(start: mask, count: offset + count).dropFirst(offset)
        return bytes.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    var family: Int32 { Int32(storage.ss_family) }

    /// The port.
    var port: UInt16 {
        // At the same place in both families.
        withUnsafeBytes(of: storage) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    }

    /// The address as numeric text, IPv4 in IPv6 as IPv4; nil for a link-local one.
    var text: String? {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let code = withPointer { getnameinfo($0, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST) }
        guard code == 0 else { return nil }
        let text = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if text.contains("%") || text.hasPrefix("fe80:") { return nil }
        return text.hasPrefix("::ffff:") && text.contains(".") ? String(text.dropFirst(7)) : text
    }

    func connect(_ descriptor: Int32) -> Int32 { withPointer { Glibc.connect(descriptor, $0, length) } }

    func bind(_ descriptor: Int32) -> Int32 { withPointer { Glibc.bind(descriptor, $0, length) } }

    private func withPointer<Value>(_ body: (UnsafePointer<sockaddr>) -> Value) -> Value {
        withUnsafeBytes(of: storage) { bytes in
            guard let base = bytes.baseAddress else { preconditionFailure("a sockaddr_storage is not empty") }
            return body(base.assumingMemoryBound(to: sockaddr.self))
        }
    }

    private static func read(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes in
            guard let base = bytes.baseAddress else { return nil }
            let address = base.assumingMemoryBound(to: sockaddr.self)
            return body(address, &length) == 0 ? SocketAddress(address) : nil
        }
    }
}
