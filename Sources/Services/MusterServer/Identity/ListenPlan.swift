import MusterSystem
import Tailnet

/// Where the service listens: on loopback and on the tailnet's own addresses, or anywhere under TLS.
struct ListenPlan {
    /// The port where none is named.
    static let standardPort = 8470

    /// The addresses to listen on.
    ///
    /// `own` are this machine's tailnet addresses as the tailnet itself says them: that an address looks like one
    /// (100.64.0.0/10 belongs to every carrier's NAT) proves nothing.
    static func addresses(
        asked: [String],
        port: Int,
        own: [String],
        usesTLS: Bool
    ) throws(SystemError) -> [ListenAddress] {
        let texts = asked.isEmpty ? standard(port: port, own: own) : asked
        var addresses: [ListenAddress] = []
        let tailnet = Set(own.compactMap { IPAddress($0) })
        for text in texts {
            guard let address = ListenAddress(text) else {
                throw SystemError("listen on", text, because: "it is not ADDRESS:PORT with a numeric address")
            }
            guard usesTLS || address.ip.isLoopback || tailnet.contains(address.ip) else {
                throw SystemError("listen on", text, because: why(own))
            }
            if address.port == 0 || !addresses.contains(address) { addresses.append(address) }
        }
        return addresses
    }

    private static func standard(port: Int, own: [String]) -> [String] {
        ["127.0.0.1:\(port)"]
            + own.compactMap { IPAddress($0) }.map { ip in
                ip.bytes.count == 4 ? "\(ip):\(port)" : "[\(ip)]:\(port)"
            }
    }

    private static func why(_ own: [String]) -> String {
        let known =
            own.isEmpty
            ? "no tailnet was named or found (--tailnet)"
            : "this machine's tailnet addresses are \(own.joined(separator: ", "))"
        return "it is neither loopback nor this machine's address on the tailnet; \(known). "
            + "Give --tls-certificate and --tls-key to listen anywhere"
    }
}
