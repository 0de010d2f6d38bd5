import Glibc

/// Addresses as numeric text: of this machine, of others, and of the way to them.
public enum NumericAddresses {
    /// The addresses that a host name has, or the one that it is.
    public static func of(host: String) async throws(SystemError) -> [String] {
        let result = await DedicatedThread.run {
            Result { () throws(SystemError) in
                let list = try SocketAddress.resolve(host, 9)
                return list.compactMap(\.text)
            }
        }
        return try result.get()
    }

    /// The address of this machine from which packets to `host` leave, a numeric address; nothing is sent.
    public static func towards(_ host: String, port: UInt16) throws(SystemError) -> String {
        let name = "\(host):\(port)"
        guard let target = try SocketAddress.resolve(host, port, numeric: true).first else {
            throw SystemError("find the way to", name, because: "it has no address")
        }
        let descriptor = socket(target.family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("find the way to", name, errno: errno) }
        defer { close(descriptor) }
        guard target.connect(descriptor) == 0, let own = SocketAddress.own(descriptor)?.text else {
            throw SystemError("find the way to", name, errno: errno)
        }
        return own
    }

    /// Every address of this machine with the number of bits of its network, such as `192.0.2.7/24`; none that is
    /// link-local, since those name no interface.
    public static func networks() throws(SystemError) -> [String] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { throw SystemError("list", "the addresses of this machine", errno: errno) }
        defer { freeifaddrs(list) }
        var networks: [String] = []
        var entry = list
        while let current = entry?.pointee {
            entry = current.ifa_next
            guard let address = current.ifa_addr, let text = SocketAddress(address)?.text,
                let mask = current.ifa_netmask, let bits = SocketAddress.bits(of: mask, family: address)
            else { continue }
            networks.append("\(text)/\(bits)")
        }
        return networks
    }
}
