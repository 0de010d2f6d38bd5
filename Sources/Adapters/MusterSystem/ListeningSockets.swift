/// A port on which this machine accepts connections.
public struct ListeningSocket: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The local address, `0.0.0.0` and `::` for all of them.
    public let address: String
    /// The TCP port.
    public let port: UInt16

    /// `address:port`, an IPv6 address in brackets.
    public var description: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }

    /// Order by port, then by address.
    public static func < (left: ListeningSocket, right: ListeningSocket) -> Bool {
        (left.port, left.address) < (right.port, right.address)
    }

    /// The listening TCP sockets of this network namespace, sorted, each once.
    public static func all() -> [ListeningSocket] { all(process: "self") }

    /// The listening TCP sockets of the network namespace that a process is in, sorted, each once.
    public static func all(process: String) -> [ListeningSocket] {
        let sockets = ["/proc/\(process)/net/tcp", "/proc/\(process)/net/tcp6"].flatMap { path -> [ListeningSocket] in
            guard let bytes = try? BoundedFile.read(path, limit: 4 << 20) else { return [] }
            return parse(String(decoding: bytes, as: UTF8.self))
        }
        return Set(sockets).sorted()
    }

    /// Reads the table of proc(5): `sl local_address rem_address st …`, state 0A is LISTEN.
    static func parse(_ table: String) -> [ListeningSocket] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            let columns = line.split(separator: " ")
            guard columns.count > 3, columns[3] == "0A" else { return nil }
            let parts = columns[1].split(separator: ":")
            guard parts.count == 2, let port = UInt16(parts[1], radix: 16), let address = address(parts[0]) else {
                return nil
            }
            return ListeningSocket(address: address, port: port)
        }
    }

    /// The address of hexadecimal 32-bit words in host (little-endian) order.
    private static func address(_ digits: Substring) -> String? {
        guard digits.utf8.count == 8 || digits.utf8.count == 32 else { return nil }
        var bytes: [UInt8] = []
        var rest = digits
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(shift))) }
            rest = rest.dropFirst(8)
        }
        if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
        if bytes.allSatisfy({ $0 == 0 }) { return "::" }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        return groups.map { String($0, radix: 16) }.joined(separator: ":")
    }
}
