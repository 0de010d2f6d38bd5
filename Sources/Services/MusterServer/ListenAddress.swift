import Tailnet

/// An address that the service listens on: `127.0.0.1:8470`, `[fd7a:115c:a1e0::1]:8470`.
///
/// Only numbers: a name could mean another address tomorrow.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address without brackets.
    public let host: String
    /// The port; 0 lets the kernel choose.
    public let port: Int
    /// The address as bytes.
    let ip: IPAddress

    /// Parses an address and a port.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65535).contains(port)
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            return nil
        }
        guard let ip = IPAddress(host) else { return nil }
        self.host = host
        self.port = port
        self.ip = ip
    }

    /// The address as it is written.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
