import Glibc

/// The addresses of a network interface.
public enum InterfaceAddresses {
    /// Every IPv4 and IPv6 address of the interface, but link-local ones, as numeric text.
    public static func of(_ interface: String) throws(SystemError) -> [String] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { throw SystemError("list the addresses of", interface, errno: errno) }
        defer { freeifaddrs(list) }
        var addresses: [String] = []
        var entry = list
        while let current = entry?.pointee {
            entry = current.ifa_next
            guard String(cString: current.ifa_name) == interface, let address = current.ifa_addr,
                let text = text(address)
            else { continue }
            addresses.append(text)
        }
        return addresses
    }

    private static func text(_ address: UnsafeMutablePointer<sockaddr>) -> String? {
        let length: Int
        switch Int32(address.pointee.sa_family) {
        case AF_INET: length = MemoryLayout<sockaddr_in>.size
        case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let code = getnameinfo(address, socklen_t(length), &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
        guard code == 0 else { return nil }
        let text = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.contains("%") || text.hasPrefix("fe80:") ? nil : text
    }
}
