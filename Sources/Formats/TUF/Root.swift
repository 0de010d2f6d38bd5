import ByteCoding
import CanonicalJSON

/// Root metadata: the keys of every top-level role.
///
/// ```
/// {"_type": "root", "spec_version", "version", "expires", "consistent_snapshot": true,
///  "keys": {"<key id>": {key}}, "roles": {"root": {"keyids", "threshold"}, "snapshot", "targets", "timestamp"}}
/// ```
public struct Root: Sendable {
    /// The four roles that root must name.
    public enum Role: String, Sendable, CaseIterable {
        case root
        case snapshot
        case targets
        case timestamp
    }

    /// `_type`, versions and expiry.
    public let header: MetadataHeader
    /// Whether files are named by version and hash; absent means no.
    public let consistentSnapshot: Bool
    /// Keys by the id they are given.
    public let keys: [String: TUFKey]
    /// Keys and thresholds of the top-level roles.
    public let roles: [Role: RoleKeys]

    /// The metadata's version.
    public var version: Int64 { header.version }
    /// When it expires.
    public var expires: UTCTime { header.expires }

    /// Root metadata that is being made: `keys` are named by their ids.
    public init(
        version: Int64,
        expires: UTCTime,
        keys: [TUFKey],
        roles: [Role: RoleKeys],
        consistentSnapshot: Bool = true
    ) throws(JSONError) {
        header = MetadataHeader(type: "root", version: version, expires: expires)
        self.consistentSnapshot = consistentSnapshot
        self.keys = Dictionary(keys.map { ($0.id, $0) }) { first, _ in first }
        self.roles = roles
        _ = try Root(try JSONFields(json, at: "signed"))
    }

    /// Reads the signed part of root metadata.
    public init(_ fields: JSONFields) throws(JSONError) {
        header = try MetadataHeader(fields, type: "root")
        consistentSnapshot =
            try fields.optional("consistent_snapshot") { fields, key throws(JSONError) in
                try fields.bool(key)
            } ?? false
        keys = try fields.keys("keys")
        let roles = try fields.fields("roles")
        var found: [Role: RoleKeys] = [:]
        for role in Role.allCases { found[role] = try RoleKeys(try roles.fields(role.rawValue)) }
        self.roles = found
    }

    /// Reads the signed part of an envelope.
    public init(_ envelope: SignedEnvelope) throws(JSONError) {
        try self.init(try JSONFields(envelope.signed, at: "signed"))
    }

    /// The keys of a role that are there, and its threshold.
    public func roleKeys(_ role: Role) -> (keys: [String: TUFKey], threshold: Int) {
        guard let named = roles[role] else { return ([:], .max) }
        return (keys.filter { named.keyIDs.contains($0.key) }, named.threshold)
    }

    /// The signed part, for writing.
    public var json: JSONValue {
        var object = header.json
        object["consistent_snapshot"] = .bool(consistentSnapshot)
        object["keys"] = .object(JSONObject(keys.map { ($0.key, $0.value.json) }))
        object["roles"] = .object(JSONObject(roles.map { ($0.key.rawValue, .object($0.value.json)) }))
        return .object(object)
    }
}
