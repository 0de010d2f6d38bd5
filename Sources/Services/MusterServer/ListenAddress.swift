import Glibc

/// An address that the service listens on: `127.0.0.1:8700`, `[fd7a:115c:a1e0::1]:8700`.
///
/// Only numbers: a name could mean another address tomorrow.
public struct ListenAddress: Sendable, CustomStringConvertible {
    /// Where the service listens unless told otherwise.
    public static let standard = "127.0.0.1:8700"

    /// The address without brackets.
    public let host: String
    /// The port; 0 lets the kernel choose.
    public let port: Int
    private let bytes: [UInt8]

    /// Parses an address and a port.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65535).contains(port)
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard let bytes = Self.bytes(host) else { return nil }
        self.host = host
        self.port = port
        self.bytes = bytes
    }

    /// Whether plain HTTP may be spoken here: loopback, or an address of the tailnet, where WireGuard encrypts.
    public var isPrivate: Bool {
        switch bytes.count {
        case 4: bytes[0] == 127 || (bytes[0] == 100 && bytes[1] & 0xC0 == 64)
        case 16: bytes == Self.loopback6 || bytes.starts(with: Self.tailnet6)
        default: false
        }
    }

    /// The address as it is written.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private static let loopback6: [UInt8] = [UInt8](repeating: 0, count: 15) + [1]
    private static let tailnet6: [UInt8] = [0xFD, 0x7A, 0x11, 0x5C, 0xA1, 0xE0]

    /// The address in network order; nil for what is no numeric address.
    private static func bytes(_ host: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, host, &bytes) == 1 { return Array(bytes[..<4]) }
        if inet_pton(AF_INET6, host, &bytes) == 1 { return bytes }
        return nil
    }
}
