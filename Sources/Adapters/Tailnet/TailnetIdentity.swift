import ByteCoding

/// Who is at an address, as the tailnet says.
public struct TailnetIdentity: Hashable, Sendable {
    /// What a node is bound to, through every change of its keys and addresses.
    ///
    /// Tailscale: the StableID. WireGuard: `wireguard:<name>` where the signed names file names the key, else
    /// `wireguard-key:<base64 key>`. Static file: its id. Where nobody can be asked (loopback, TLS beside a tailnet):
    /// `address:<ip>`.
    public var id: String
    /// The tailnet's key of that node (`nodekey:…`, or a WireGuard public key); empty where there is none.
    public var key: String
    /// Its MagicDNS name, without the dot at the end; empty where there is none.
    public var name: String
    /// Its addresses, without prefix lengths.
    public var addresses: [String]
    /// Its tags as the tailnet gives them, such as `tag:web`: shown, and never counted in rules.
    public var tags: [String]
    /// The tailnet user it belongs to; nil for a tagged node.
    public var login: String?
    /// When the tailnet's key of it expires; nil where it does not.
    public var keyExpires: UTCTime?
    /// Whether the tailnet says that its key has expired.
    public var keyExpired: Bool
    /// Whether it is connected to the tailnet; nil where the tailnet does not say.
    public var isOnline: Bool?
    /// When the tailnet saw it last; nil where it does not say.
    public var lastSeen: UTCTime?
    /// When WireGuard last shook hands with it; nil where that is not known.
    public var lastHandshake: UTCTime?

    /// An identity of these parts.
    public init(
        id: String,
        key: String = "",
        name: String = "",
        addresses: [String] = [],
        tags: [String] = [],
        login: String? = nil,
        keyExpires: UTCTime? = nil,
        keyExpired: Bool = false,
        isOnline: Bool? = nil,
        lastSeen: UTCTime? = nil,
        lastHandshake: UTCTime? = nil
    ) {
        self.id = id
        self.key = key
        self.name = name
        self.addresses = addresses
        self.tags = tags
        self.login = login
        self.keyExpires = keyExpires
        self.keyExpired = keyExpired
        self.isOnline = isOnline
        self.lastSeen = lastSeen
        self.lastHandshake = lastHandshake
    }
}
