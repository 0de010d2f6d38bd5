import ByteCoding
import CanonicalJSON
import MusterModel

/// `POST /v1/enroll`: a node asks to join, with a token's secret or to be approved.
///
/// The node signs the canonical bytes of `proof` with its new node key.
public struct EnrollRequest: Body {
    /// The fleet the node wants to join.
    public let fleet: FleetID
    /// The name the node would like, usually its host name; at most 253 bytes.
    public let name: String
    /// The node's Ed25519 public key.
    public let nodeKey: [UInt8]
    /// The token's secret, or nil to wait for approval.
    public let secret: [UInt8]?
    /// Ed25519 signature of `proof`'s canonical bytes by the node key.
    public let signature: [UInt8]

    /// A request.
    public init(fleet: FleetID, name: String, nodeKey: [UInt8], secret: [UInt8]?, signature: [UInt8]) {
        self.fleet = fleet
        self.name = name
        self.nodeKey = nodeKey
        self.secret = secret
        self.signature = signature
    }

    /// Reads a request.
    public init(_ fields: JSONFields) throws(JSONError) {
        fleet = try fields.name("fleet")
        name = try fields.string("name", limit: 253)
        nodeKey = try fields.hex("node_key", count: 32)
        secret = try fields.optional("secret") { fields, key throws(JSONError) in try fields.hex(key, count: 32) }
        signature = try fields.hex("signature", count: 64)
    }

    /// The request as it is sent.
    public var json: JSONValue {
        [
            "fleet": JSONValue(fleet), "name": .string(name), "node_key": .string(Hex.encode(nodeKey)),
            "secret": JSONValue(secret.map { Hex.encode($0) }), "signature": .string(Hex.encode(signature)),
        ]
    }

    /// What the node key signs: `{"_type": "node-enroll", "fleet", "name", "node_key"}`.
    public static func proof(fleet: FleetID, name: String, nodeKey: [UInt8]) -> JSONValue {
        [
            "_type": "node-enroll", "fleet": JSONValue(fleet), "name": .string(name),
            "node_key": .string(Hex.encode(nodeKey)),
        ]
    }
}

/// The answer to `EnrollRequest`; a waiting node asks again, with the same key, until it is enrolled.
public enum EnrollReply: Body {
    /// The node has joined: its id, the name it got, and the statement that allows it and names its tags.
    case enrolled(node: NodeID, name: String, statement: SignedStatement)
    /// An operator must approve: `muster node approve CODE`. Ask again after so many seconds. `link` is a page of the
    /// service that says so too; nil from a service that has none.
    case pending(code: String, retrySeconds: Int, link: String? = nil)

    /// A statement fits beside the rest.
    public static var byteLimit: Int { SignedStatement.byteLimit + 4096 }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        if fields.has("code") {
            self = .pending(
                code: try fields.string("code", limit: 32),
                retrySeconds: Int(try fields.integer("retry_seconds", in: 1...3600)),
                link: try fields.optional("link") { fields, key throws(JSONError) in
                    try fields.string(key, limit: 512)
                }
            )
        } else {
            self = .enrolled(
                node: try fields.name("node"),
                name: try fields.string("name", limit: 253),
                statement: try SignedStatement(try fields.fields("statement"))
            )
        }
    }

    /// The answer as it is sent.
    public var json: JSONValue {
        switch self {
        case .enrolled(let node, let name, let statement):
            ["node": JSONValue(node), "name": .string(name), "statement": statement.json]
        case .pending(let code, let retrySeconds, let link):
            ["code": .string(code), "retry_seconds": JSONValue(retrySeconds), "link": JSONValue(link)]
        }
    }
}

/// One entry of `GET /v1/enrollments`: a node that waits for approval.
public struct PendingEnrollment: Body {
    /// The short code that the node shows; readers take `EnrollmentCode` of the key instead of believing it.
    public let code: String
    /// The name the node would like.
    public let name: String
    /// The node's Ed25519 public key, which the approving `enroll` statement names.
    public let nodeKey: [UInt8]
    /// The address it asked from.
    public let address: String
    /// When it first asked.
    public let asked: UTCTime
    /// Who asked, as the tailnet says; nil where none is used.
    public let tailnet: TailnetRecord?

    /// A waiting node.
    public init(
        code: String,
        name: String,
        nodeKey: [UInt8],
        address: String,
        asked: UTCTime,
        tailnet: TailnetRecord? = nil
    ) {
        self.code = code
        self.name = name
        self.nodeKey = nodeKey
        self.address = address
        self.asked = asked
        self.tailnet = tailnet
    }

    /// Reads a waiting node.
    public init(_ fields: JSONFields) throws(JSONError) {
        code = try fields.string("code", limit: 32)
        name = try fields.string("name", limit: 253)
        nodeKey = try fields.hex("node_key", count: 32)
        address = try fields.string("address", limit: 64)
        asked = try fields.milliseconds("asked")
        tailnet = try fields.optional("tailnet") { fields, key throws(JSONError) in
            try TailnetRecord(try fields.fields(key))
        }
    }

    /// The entry as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "code": .string(code), "name": .string(name), "node_key": .string(Hex.encode(nodeKey)),
            "address": .string(address), "asked": .integer(asked.milliseconds),
        ]
        if let tailnet { object["tailnet"] = tailnet.json }
        return .object(object)
    }
}
