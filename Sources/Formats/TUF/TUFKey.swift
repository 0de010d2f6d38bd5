import ByteCoding
import CanonicalJSON
import SignatureVerification

/// A public key of a TUF repository.
///
/// ```
/// {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "<64 hex digits>"}}
/// {"keytype": "ecdsa" | "ecdsa-sha2-nistp256", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": "<PEM>"}}
/// {"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "<PEM>"}}
/// ```
/// A key of another type or scheme is kept and hashed like any other, and verifies nothing. Two keys are equal when
/// they are the same key, whatever id, scheme or line breaks they were given: thresholds count keys, not ids.
public struct TUFKey: Sendable, Hashable {
    /// `keytype`.
    public let type: String
    /// `scheme`.
    public let scheme: String
    /// `keyval.public`, as it was written.
    public let publicText: String
    /// The whole key object as received, unknown members included: what the key id is the hash of.
    public let json: JSONValue
    /// What the key is apart from its spelling: kind and key bytes.
    let identity: [UInt8]

    /// Reads a key object.
    public init(_ fields: JSONFields) throws(JSONError) {
        type = try fields.string("keytype", limit: 100)
        scheme = try fields.string("scheme", limit: 100)
        publicText = try fields.fields("keyval").string("public", limit: 16_384)
        json = .object(fields.object)
        identity = Self.identity(type: type, publicText: publicText)
    }

    /// An Ed25519 key of 32 bytes.
    public init(ed25519 publicKey: [UInt8]) {
        type = "ed25519"
        scheme = "ed25519"
        publicText = Hex.encode(publicKey)
        json = ["keytype": "ed25519", "keyval": ["public": .string(publicText)], "scheme": "ed25519"]
        identity = Self.identity(type: type, publicText: publicText)
    }

    /// The 32 bytes of an Ed25519 key; nil for any other kind.
    public var ed25519: [UInt8]? {
        guard type == "ed25519", scheme == "ed25519", let key = Hex.decode(publicText.lowercased()), key.count == 32
        else { return nil }
        return key
    }

    /// The key id: lower-case hex SHA-256 of the canonical key object.
    public var id: String { Hex.encode(Digest.sha256(json.canonicalBytes)) }

    /// Whether `signature` is this key's over `message`; false for every scheme but the three above.
    public func verify(signature: [UInt8], message: [UInt8]) -> Bool {
        switch (type, scheme) {
        case ("ed25519", "ed25519"):
            guard let key = ed25519, signature.count == 64 else { return false }
            return Ed25519.verify(signature: signature, message: message, publicKey: key)
        case ("ecdsa", "ecdsa-sha2-nistp256"), ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"):
            return ECDSAP256.verify(derSignature: signature, message: message, pem: publicText)
        case ("rsa", "rsassa-pss-sha256"):
            return RSA.verifyPSS(signature: signature, message: message, pem: publicText)
        default:
            return false
        }
    }

    /// Whether both are the same key.
    public static func == (left: TUFKey, right: TUFKey) -> Bool { left.identity == right.identity }

    /// Hashes what the key is, not how it is written.
    public func hash(into hasher: inout Hasher) { hasher.combine(identity) }

    private static func identity(type: String, publicText: String) -> [UInt8] {
        if type == "ed25519", let key = Hex.decode(publicText.lowercased()) { return [1] + key }
        let lines = publicText.split(whereSeparator: \.isNewline).map(Array.init)
        let content = lines.filter { $0.first != "-" }.joined().filter { !$0.isWhitespace }
        if lines.count > 1, let der = Base64.decode(String(content)) { return [2] + der }
        return [0] + Array(publicText.utf8)
    }
}
