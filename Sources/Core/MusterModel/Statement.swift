import ByteCoding
import CanonicalJSON

/// What kind of thing a statement asks for.
///
/// A type that this program does not know can be neither signed nor obeyed.
public enum StatementType: String, Hashable, Sendable, CaseIterable {
    case enroll
    case tagNode = "tag-node"
    case upgrade
    case rollBack = "roll-back"
    case extendNode = "extend-node"
    case exemptNode = "exempt-node"
    case removeNode = "remove-node"
    case sshCertificate = "ssh-certificate"
    case revoke
    case run

    /// The SSHSIG namespace a statement of this type is signed in: a signature made for one type fits no other.
    public var namespace: String { rawValue + "@muster" }
}

/// What an operator asked for, in words that a node can check by itself.
///
/// ```
/// {"_type": "upgrade", "expires": "…Z", "fleet": "<64 hex>", "id": "<32 hex>", "issued": "…Z", "requester": "ada", …body}
/// ```
/// The requester and every approver sign the canonical bytes of this object (`SignedStatement`).
///
/// Compatibility: members may be added; a reader ignores those it does not know, but they are signed all the same.
public struct Statement: Hashable, Sendable {
    /// Longest life of a statement in seconds: no credential is unlimited.
    public static let maximumLifetime: Int64 = 30 * 86400
    /// How far ahead of a node's clock `issued` may lie, in seconds.
    public static let clockSkew: Int64 = 300

    /// The fleet it is meant for; it says nothing in any other.
    public let fleet: FleetID
    /// Its id, used once.
    public let id: StatementID
    /// The operator who asks; must be among the signers and never counts as an approver.
    public let requester: OperatorName
    /// When it was made.
    public let issued: UTCTime
    /// When it stops being one.
    public let expires: UTCTime
    /// What is asked for.
    public let body: StatementBody

    /// A statement of these parts; moments are cut to whole seconds.
    public init(
        fleet: FleetID,
        id: StatementID,
        requester: OperatorName,
        issued: UTCTime,
        expires: UTCTime,
        body: StatementBody
    ) {
        self.fleet = fleet
        self.id = id
        self.requester = requester
        self.issued = issued.wholeSeconds
        self.expires = expires.wholeSeconds
        self.body = body
    }

    /// Reads a statement; refuses a type that it does not know.
    public init(_ fields: JSONFields) throws(JSONError) {
        let typeName = try fields.string("_type", limit: 64)
        guard let type = StatementType(rawValue: typeName) else {
            throw fields.error("_type", "unknown statement type '\(typeName)'")
        }
        fleet = try fields.name("fleet")
        id = try fields.name("id")
        requester = try fields.name("requester")
        issued = try fields.time("issued")
        expires = try fields.time("expires")
        body = try StatementBody(type, fields)
    }

    /// The kind of thing asked for.
    public var type: StatementType { body.type }

    /// The object that is signed.
    public var json: JSONValue {
        var object = body.members
        object["_type"] = .string(type.rawValue)
        object["fleet"] = JSONValue(fleet)
        object["id"] = JSONValue(id)
        object["requester"] = JSONValue(requester)
        object["issued"] = JSONValue(issued)
        object["expires"] = JSONValue(expires)
        return .object(object)
    }
}
