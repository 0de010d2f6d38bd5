import Tailnet

/// What `--tailnet` says: who is asked who callers are.
enum TailnetOption: Hashable, Sendable, CustomStringConvertible {
    /// Tailscale where the socket of its daemon exists, else nobody.
    case automatic
    /// Nobody: only loopback, or TLS.
    case none
    /// The tailscaled behind a socket.
    case tailscale(socket: String)
    /// The peers of a WireGuard interface.
    case wireGuard(interface: String)
    /// A file: for tests, and for networks that something else authenticates.
    case file(String)

    /// What can be written.
    static let form = "auto, none, tailscale, tailscale:SOCKET, wireguard:INTERFACE or static:FILE"

    /// Parses the option; nil where it has none of its forms.
    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        switch (parts[0], parts.count > 1 ? parts[1] : nil) {
        case ("auto", nil): self = .automatic
        case ("none", nil): self = .none
        case ("tailscale", nil): self = .tailscale(socket: TailscaleLocalAPI.standardSocket)
        case ("tailscale", let socket?) where socket.hasPrefix("/"): self = .tailscale(socket: socket)
        case ("wireguard", let interface?) where WireGuardSource.isInterface(interface):
            self = .wireGuard(interface: interface)
        case ("static", let file?) where !file.isEmpty: self = .file(file)
        default: return nil
        }
    }

    /// The option as it is written.
    var description: String {
        switch self {
        case .automatic: "auto"
        case .none: "none"
        case .tailscale(let socket): "tailscale:\(socket)"
        case .wireGuard(let interface): "wireguard:\(interface)"
        case .file(let file): "static:\(file)"
        }
    }

    /// The source; nil where nobody is asked.
    ///
    /// `socketExists` decides for `auto`.
    func source(
        names: @escaping WireGuardSource.Names,
        socketExists: (String) -> Bool
    ) -> (any TailnetSource)? {
        switch self {
        case .automatic:
            let socket = TailscaleLocalAPI.standardSocket
            return socketExists(socket) ? TailscaleLocalAPI(socket: socket) : nil
        case .none: return nil
        case .tailscale(let socket): return TailscaleLocalAPI(socket: socket)
        case .wireGuard(let interface): return WireGuardSource(interface: interface, names: names)
        case .file(let file): return StaticTailnet(file: file)
        }
    }
}
