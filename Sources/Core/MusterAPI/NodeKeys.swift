import ByteCoding
import CanonicalJSON
import MusterModel

/// `POST /v1/node/key`: a node wants to replace its key.
///
/// Both keys sign the canonical bytes of `proof`. From the answer on both open sessions, until the first session that the new
/// one opens retires the old one for good. Asking again with the same new key changes nothing.
public struct NodeKeyRequest: Body {
    /// The new Ed25519 public key.
    public let newKey: [UInt8]
    /// Ed25519 signature of `proof`'s canonical bytes by the present key: the node wants it.
    public let oldSignature: [UInt8]
    /// The same by the new key: the node holds it.
    public let newSignature: [UInt8]

    /// A request.
    public init(newKey: [UInt8], oldSignature: [UInt8], newSignature: [UInt8]) {
        self.newKey = newKey
        self.oldSignature = oldSignature
        self.newSignature = newSignature
    }

    /// Reads a request.
    public init(_ fields: JSONFields) throws(JSONError) {
        newKey = try fields.hex("new_key", count: 32)
        oldSignature = try fields.hex("old_signature", count: 64)
        newSignature = try fields.hex("new_signature", count: 64)
    }

    /// The request as it is sent.
    public var json: JSONValue {
        [
            "new_key": .string(Hex.encode(newKey)), "old_signature": .string(Hex.encode(oldSignature)),
            "new_signature": .string(Hex.encode(newSignature)),
        ]
    }

    /// What both keys sign: `{"_type": "node-key", "fleet", "new_key", "node", "old_key"}`.
    public static func proof(fleet: FleetID, node: NodeID, oldKey: [UInt8], newKey: [UInt8]) -> JSONValue {
        [
            "_type": "node-key", "fleet": JSONValue(fleet), "node": JSONValue(node),
            "old_key": .string(Hex.encode(oldKey)), "new_key": .string(Hex.encode(newKey)),
        ]
    }
}

/// That one key of a node follows another, as the earlier one signed it: `NodeKeyRequest.proof` and its old signature.
///
/// Whoever knew the earlier key finds the present one without believing the service.
public struct NodeKeySuccession: Hashable, Sendable {
    /// Most successions of one node that are told: years of them.
    public static let limit = 64

    /// The Ed25519 public key that was replaced.
    public let oldKey: [UInt8]
    /// The Ed25519 public key that follows it.
    public let newKey: [UInt8]
    /// Ed25519 signature of the proof's canonical bytes by the old key.
    public let signature: [UInt8]

    /// A succession.
    public init(oldKey: [UInt8], newKey: [UInt8], signature: [UInt8]) {
        self.oldKey = oldKey
        self.newKey = newKey
        self.signature = signature
    }

    /// Reads a succession.
    public init(_ fields: JSONFields) throws(JSONError) {
        oldKey = try fields.hex("old_key", count: 32)
        newKey = try fields.hex("new_key", count: 32)
        signature = try fields.hex("signature", count: 64)
    }

    /// The succession as it is sent.
    public var json: JSONValue {
        [
            "old_key": .string(Hex.encode(oldKey)), "new_key": .string(Hex.encode(newKey)),
            "signature": .string(Hex.encode(signature)),
        ]
    }
}

/// That one key of a node follows another, as both signed it: what `NodeKeyRequest` carried, kept by the node.
///
/// A service whose register was put back to an older state knows an earlier key only: in `NodeSessionRequest` it is shown the
/// way from that to the present one.
public struct SignedKeySuccession: Hashable, Sendable {
    /// Most successions that a node keeps and shows.
    public static let limit = 64

    /// The Ed25519 public key that was replaced.
    public let oldKey: [UInt8]
    /// The Ed25519 public key that follows it.
    public let newKey: [UInt8]
    /// Ed25519 signature of `NodeKeyRequest.proof`'s canonical bytes by the old key.
    public let oldSignature: [UInt8]
    /// The same by the new key.
    public let newSignature: [UInt8]

    /// A succession.
    public init(oldKey: [UInt8], newKey: [UInt8], oldSignature: [UInt8], newSignature: [UInt8]) {
        self.oldKey = oldKey
        self.newKey = newKey
        self.oldSignature = oldSignature
        self.newSignature = newSignature
    }

    /// Reads a succession.
    public init(_ fields: JSONFields) throws(JSONError) {
        oldKey = try fields.hex("old_key", count: 32)
        newKey = try fields.hex("new_key", count: 32)
        oldSignature = try fields.hex("old_signature", count: 64)
        newSignature = try fields.hex("new_signature", count: 64)
    }

    /// The succession as it is kept and sent.
    public var json: JSONValue {
        [
            "old_key": .string(Hex.encode(oldKey)), "new_key": .string(Hex.encode(newKey)),
            "old_signature": .string(Hex.encode(oldSignature)), "new_signature": .string(Hex.encode(newSignature)),
        ]
    }

    /// Reads a list of them; none where there is no such member.
    public static func list(_ fields: JSONFields, _ key: String) throws(JSONError) -> [SignedKeySuccession] {
        guard fields.has(key) else { return [] }
        return try fields.objects(key, limit: limit).map { entry throws(JSONError) in try SignedKeySuccession(entry) }
    }

    /// How `key` came to follow earlier ones, oldest first; empty where nothing says so.
    public static func chain(to key: [UInt8], in all: [SignedKeySuccession]) -> [SignedKeySuccession] {
        var chain: [SignedKeySuccession] = []
        var reached = key
        while chain.count < limit, let link = all.last(where: { $0.newKey == reached }), !chain.contains(link) {
            chain.insert(link, at: 0)
            reached = link.oldKey
        }
        return chain
    }
}

/// The answer to `NodeKeyRequest`, sent only after the new key is on disk.
public struct NodeKeyReply: Body {
    /// When the new key will expire.
    public let expires: UTCTime

    /// An answer.
    public init(expires: UTCTime) {
        self.expires = expires
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        expires = try fields.milliseconds("expires")
    }

    /// The answer as it is sent.
    public var json: JSONValue { ["expires": .integer(expires.milliseconds)] }
}

/// What the service tells a node of its key, in the answer to a report; a node that does not know of it keeps its key.
public struct NodeKeyNotice: Hashable, Sendable {
    /// When the key expires; nothing happens then while the node is exempt.
    public let expires: UTCTime
    /// From when on the node shall replace it.
    public let rotateAfter: UTCTime
    /// Until when the node may act although its key has expired.
    public let extendedUntil: UTCTime?
    /// `current`, `due`, `expired`, `extended` or `exempt`; others may be added.
    public let state: String

    /// A notice.
    public init(expires: UTCTime, rotateAfter: UTCTime, extendedUntil: UTCTime?, state: String) {
        self.expires = expires
        self.rotateAfter = rotateAfter
        self.extendedUntil = extendedUntil
        self.state = state
    }

    /// Reads a notice.
    public init(_ fields: JSONFields) throws(JSONError) {
        expires = try fields.milliseconds("expires")
        rotateAfter = try fields.milliseconds("rotate_after")
        extendedUntil = try fields.optional("extended_until") { fields, key throws(JSONError) in
            try fields.milliseconds(key)
        }
        state = try fields.string("state", limit: 32)
    }

    /// The notice as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "expires": .integer(expires.milliseconds), "rotate_after": .integer(rotateAfter.milliseconds),
            "state": .string(state),
        ]
        if let extendedUntil { object["extended_until"] = .integer(extendedUntil.milliseconds) }
        return .object(object)
    }
}

/// A node's key as operators see it: member `key` of a `NodeRecord`.
public struct NodeKeyRecord: Hashable, Sendable {
    /// Since when the node has this key.
    public let since: UTCTime
    /// When it expires; nil where the node is exempt.
    public let expires: UTCTime?
    /// Whether an operator exempted the node from expiry.
    public let isExempt: Bool
    /// Until when the node may act although its key has expired.
    public let extendedUntil: UTCTime?
    /// `current`, `due` (the node is about to replace it), `expired`, `extended` or `exempt`; others may be added.
    public let state: String
    /// The Ed25519 public key, to which secrets for the node are sealed; nil where the service does not tell.
    public let publicKey: [UInt8]?
    /// How the key came to follow earlier ones, oldest first, at most `NodeKeySuccession.limit`; only for one node alone.
    public var successions: [NodeKeySuccession] = []

    /// A node's key.
    public init(
        since: UTCTime,
        expires: UTCTime?,
        isExempt: Bool,
        extendedUntil: UTCTime?,
        state: String,
        publicKey: [UInt8]? = nil
    ) {
        self.since = since
        self.expires = expires
        self.isExempt = isExempt
        self.extendedUntil = extendedUntil
        self.state = state
        self.publicKey = publicKey
    }

    /// Reads a node's key.
    public init(_ fields: JSONFields) throws(JSONError) {
        func moment(_ key: String) throws(JSONError) -> UTCTime? {
            try fields.optional(key) { fields, key throws(JSONError) in try fields.milliseconds(key) }
        }
        since = try fields.milliseconds("since")
        expires = try moment("expires")
        isExempt = fields.has("exempt") ? try fields.bool("exempt") : false
        extendedUntil = try moment("extended_until")
        state = try fields.string("state", limit: 32)
        publicKey = try fields.optional("public_key") { fields, key throws(JSONError) in
            try fields.hex(key, count: 32)
        }
        if fields.has("successions") {
            successions = try fields.objects("successions", limit: NodeKeySuccession.limit)
                .map { succession throws(JSONError) in try NodeKeySuccession(succession) }
        }
    }

    /// The key as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "since": .integer(since.milliseconds), "exempt": .bool(isExempt), "state": .string(state),
        ]
        if let expires { object["expires"] = .integer(expires.milliseconds) }
        if let extendedUntil { object["extended_until"] = .integer(extendedUntil.milliseconds) }
        if let publicKey { object["public_key"] = .string(Hex.encode(publicKey)) }
        if !successions.isEmpty { object["successions"] = .array(successions.map(\.json)) }
        return .object(object)
    }
}
