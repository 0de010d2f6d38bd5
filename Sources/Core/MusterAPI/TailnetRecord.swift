import ByteCoding
import CanonicalJSON
import MusterModel

/// Who somebody is on the tailnet, as far as it says: of a node, a waiting node, or the caller of `GET /v1/whoami`.
public struct TailnetRecord: Body {
    /// What the tailnet knows it by through every change of key and address: a StableID, `wireguard:NAME` and so on.
    public let id: String
    /// Its MagicDNS name, or its name in the signed names file; empty where there is none.
    public let name: String
    /// Its tailnet addresses.
    public let addresses: [String]
    /// Its tags as the tailnet gives them (`tag:web`): shown, and never counted in rules.
    public let tags: [String]
    /// The tailnet user it belongs to; nil for a tagged node.
    public let login: String?
    /// The tailnet's public key of it; empty where there is none.
    public let key: String
    /// When that key expires; nil where it does not, or nobody knows.
    public let keyExpires: UTCTime?
    /// Since when it has that key, as far as this service has seen.
    public let keySince: UTCTime?
    /// When WireGuard last shook hands with it.
    public let lastHandshake: UTCTime?
    /// When the tailnet saw it last.
    public let lastSeen: UTCTime?
    /// Whether the tailnet has it connected.
    public let isOnline: Bool?

    /// Somebody on the tailnet.
    public init(
        id: String,
        name: String = "",
        addresses: [String] = [],
        tags: [String] = [],
        login: String? = nil,
        key: String = "",
        keyExpires: UTCTime? = nil,
        keySince: UTCTime? = nil,
        lastHandshake: UTCTime? = nil,
        lastSeen: UTCTime? = nil,
        isOnline: Bool? = nil
    ) {
        self.id = id
        self.name = name
        self.addresses = addresses
        self.tags = tags
        self.login = login
        self.key = key
        self.keyExpires = keyExpires
        self.keySince = keySince
        self.lastHandshake = lastHandshake
        self.lastSeen = lastSeen
        self.isOnline = isOnline
    }

    /// Reads a record; only the id must be there.
    public init(_ fields: JSONFields) throws(JSONError) {
        func text(_ key: String, limit: Int) throws(JSONError) -> String? {
            try fields.optional(key) { fields, key throws(JSONError) in try fields.string(key, limit: limit) }
        }
        func texts(_ key: String) throws(JSONError) -> [String] {
            try fields.optional(key) { fields, key throws(JSONError) in try fields.strings(key, limit: 256, each: 512) }
                ?? []
        }
        func moment(_ key: String) throws(JSONError) -> UTCTime? {
            try fields.optional(key) { fields, key throws(JSONError) in try fields.milliseconds(key) }
        }
        id = try fields.string("id", limit: 256)
        name = try text("name", limit: 512) ?? ""
        addresses = try texts("addresses")
        tags = try texts("tags")
        login = try text("login", limit: 512)
        key = try text("key", limit: 256) ?? ""
        keyExpires = try moment("key_expires")
        keySince = try moment("key_since")
        lastHandshake = try moment("last_handshake")
        lastSeen = try moment("last_seen")
        isOnline = try fields.optional("online") { fields, key throws(JSONError) in try fields.bool(key) }
    }

    /// The record as it is sent; what is not known is left out.
    public var json: JSONValue {
        var object: JSONObject = [
            "id": .string(id), "name": .string(name), "addresses": .array(addresses.map { .string($0) }),
            "tags": .array(tags.map { .string($0) }), "key": .string(key),
        ]
        if let login { object["login"] = .string(login) }
        let moments = [
            ("key_expires", keyExpires), ("key_since", keySince), ("last_handshake", lastHandshake),
            ("last_seen", lastSeen),
        ]
        for case (let name, let moment?) in moments { object[name] = .integer(moment.milliseconds) }
        if let isOnline { object["online"] = .bool(isOnline) }
        return .object(object)
    }
}
