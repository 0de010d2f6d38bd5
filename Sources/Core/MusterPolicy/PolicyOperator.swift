import ByteCoding
import CanonicalJSON
import MusterModel
import OpenSSHFormats

/// A key of an operator: `{"public_key": "ssh-ed25519 AAAA…", "expires": "…Z", "touch": true}`.
public struct PolicyKey: Hashable, Sendable {
    /// The key.
    public let publicKey: SSHPublicKey
    /// From this moment on its signatures count for nothing.
    public let expires: UTCTime
    /// Whether a security key must have been touched for each signature; means nothing for other keys.
    public let requiresTouch: Bool
    /// Members that this program does not know: they might restrict the key, so it cannot be used here.
    public let unknown: JSONObject

    /// A key.
    public init(publicKey: SSHPublicKey, expires: UTCTime, requiresTouch: Bool = true) {
        self.publicKey = publicKey
        self.expires = expires.wholeSeconds
        self.requiresTouch = requiresTouch
        unknown = JSONObject()
    }

    /// Reads a key.
    public init(_ fields: JSONFields) throws(JSONError) {
        let line = try fields.string("public_key", limit: SSHPublicKey.lineLimit)
        do throws(SSHFormatError) {
            publicKey = try SSHPublicKey(line: line)
        } catch {
            throw fields.error("public_key", error.reason)
        }
        expires = try fields.time("expires")
        requiresTouch = try fields.optional("touch") { fields, key throws(JSONError) in try fields.bool(key) } ?? true
        unknown = fields.others(than: ["public_key", "expires", "touch"])
    }

    var json: JSONValue {
        var object = unknown
        object["public_key"] = .string(publicKey.line)
        object["expires"] = .string(expires.description)
        if !requiresTouch { object["touch"] = false }
        return .object(object)
    }
}

/// A person who may ask and approve, with the keys that speak for that person: `{"keys": […], "tailnet": [LOGIN, …]}`.
public struct PolicyOperator: Hashable, Sendable {
    /// Most keys of one operator.
    public static let keyLimit = 32

    /// The keys; any of them speaks for the operator, all of them together are still one operator.
    public let keys: [PolicyKey]
    /// The tailnet users that are this person, such as `ada@example.com`: enough to read, and to do nothing.
    public let logins: [String]
    /// Members that this program does not know: they might restrict the operator, whose keys cannot be used here.
    public let unknown: JSONObject

    /// An operator with these keys.
    public init(keys: [PolicyKey], logins: [String] = []) {
        self.keys = keys
        self.logins = logins
        unknown = JSONObject()
    }

    /// Reads an operator.
    public init(_ fields: JSONFields) throws(JSONError) {
        keys = try fields.objects("keys", limit: Self.keyLimit).map { key throws(JSONError) in try PolicyKey(key) }
        logins =
            try fields.optional("tailnet") { fields, key throws(JSONError) in
                try fields.strings(key, limit: Self.keyLimit, each: 512)
            } ?? []
        unknown = fields.others(than: ["keys", "tailnet"])
    }

    var json: JSONValue {
        var object = unknown
        object["keys"] = .array(keys.map(\.json))
        if !logins.isEmpty { object["tailnet"] = .array(logins.map { .string($0) }) }
        return .object(object)
    }
}
