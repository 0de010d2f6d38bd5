import ByteCoding
import CanonicalJSON
import MusterModel

/// `POST /v1/node/challenge`: a node wants to open a session.
public struct NodeChallengeRequest: Body {
    /// The node.
    public let node: NodeID

    /// A request.
    public init(node: NodeID) {
        self.node = node
    }

    /// Reads a request.
    public init(_ fields: JSONFields) throws(JSONError) {
        node = try fields.name("node")
    }

    /// The request as it is sent.
    public var json: JSONValue { ["node": JSONValue(node)] }
}

/// The answer to a challenge request: 32 bytes that are good once, for one minute.
public struct ChallengeReply: Body {
    /// 32 bytes.
    public let challenge: [UInt8]

    /// A challenge.
    public init(challenge: [UInt8]) {
        self.challenge = challenge
    }

    /// Reads a challenge.
    public init(_ fields: JSONFields) throws(JSONError) {
        challenge = try fields.hex("challenge", count: 32)
    }

    /// The challenge as it is sent.
    public var json: JSONValue { ["challenge": .string(Hex.encode(challenge))] }
}

/// `POST /v1/node/session`: the challenge, signed by the node key.
public struct NodeSessionRequest: Body {
    /// The node.
    public let node: NodeID
    /// The challenge as it was given.
    public let challenge: [UInt8]
    /// Ed25519 signature of `proof`'s canonical bytes by the node key.
    public let signature: [UInt8]
    /// How the node key came to follow earlier ones, oldest first, for a service that does not know it; else none.
    public let successions: [SignedKeySuccession]

    /// A request.
    public init(
        node: NodeID,
        challenge: [UInt8],
        signature: [UInt8],
        successions: [SignedKeySuccession] = []
    ) {
        self.node = node
        self.challenge = challenge
        self.signature = signature
        self.successions = successions
    }

    /// Reads a request.
    public init(_ fields: JSONFields) throws(JSONError) {
        node = try fields.name("node")
        challenge = try fields.hex("challenge", count: 32)
        signature = try fields.hex("signature", count: 64)
        successions = try SignedKeySuccession.list(fields, "successions")
    }

    /// The request as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "node": JSONValue(node), "challenge": .string(Hex.encode(challenge)),
            "signature": .string(Hex.encode(signature)),
        ]
        if !successions.isEmpty { object["successions"] = .array(successions.map(\.json)) }
        return .object(object)
    }

    /// What the node key signs: `{"_type": "node-session", "challenge", "fleet", "node"}`.
    public static func proof(fleet: FleetID, node: NodeID, challenge: [UInt8]) -> JSONValue {
        [
            "_type": "node-session", "fleet": JSONValue(fleet), "node": JSONValue(node),
            "challenge": .string(Hex.encode(challenge)),
        ]
    }
}

/// `POST /v1/operator/session`: a challenge (from `POST /v1/operator/challenge`, empty object) signed by an operator's key.
public struct OperatorSessionRequest: Body {
    /// The SSHSIG namespace of a login.
    public static let namespace = "login@muster"

    /// The challenge as it was given.
    public let challenge: [UInt8]
    /// SSHSIG blob over `proof`'s canonical bytes in the namespace `login@muster`; it holds the operator's public key.
    public let signature: [UInt8]

    /// A request.
    public init(challenge: [UInt8], signature: [UInt8]) {
        self.challenge = challenge
        self.signature = signature
    }

    /// Reads a request.
    public init(_ fields: JSONFields) throws(JSONError) {
        challenge = try fields.hex("challenge", count: 32)
        signature = try fields.base64("signature", limit: SignedStatement.signatureByteLimit)
    }

    /// The request as it is sent.
    public var json: JSONValue {
        ["challenge": .string(Hex.encode(challenge)), "signature": .string(Base64.encode(signature))]
    }

    /// What the operator's key signs: `{"_type": "login", "challenge", "fleet"}`.
    public static func proof(fleet: FleetID, challenge: [UInt8]) -> JSONValue {
        ["_type": "login", "fleet": JSONValue(fleet), "challenge": .string(Hex.encode(challenge))]
    }
}

/// A session, of a node or of an operator: at most one hour.
public struct SessionReply: Body {
    /// The bearer token: secret.
    public let token: String
    /// When it stops working.
    public let expires: UTCTime
    /// The operator's name in the policy; empty for a node.
    public let operatorName: String

    /// A session.
    public init(token: String, expires: UTCTime, operatorName: String = "") {
        self.token = token
        self.expires = expires
        self.operatorName = operatorName
    }

    /// Reads a session.
    public init(_ fields: JSONFields) throws(JSONError) {
        token = try fields.string("token", limit: 1024)
        expires = try fields.milliseconds("expires")
        operatorName =
            try fields.optional("operator") { fields, key throws(JSONError) in try fields.string(key, limit: 128) }
            ?? ""
    }

    /// The session as it is sent.
    public var json: JSONValue {
        ["token": .string(token), "expires": .integer(expires.milliseconds), "operator": .string(operatorName)]
    }
}
