import ByteCoding
import CanonicalJSON
import MusterModel

/// `GET /v1/whoami`: who the service takes the caller for.
public struct WhoAmI: Body {
    /// By what an operator was recognised.
    public enum Means: String, Sendable {
        /// By a session, which the operator's SSH key opened: everything the policy allows.
        case session
        /// By the tailnet login of the address: reading only.
        case tailnet
        /// Not at all.
        case none = ""
    }

    /// The address that the request came from.
    public let address: String
    /// Who is there, as the tailnet says.
    public let identity: TailnetRecord
    /// The operator; empty for anybody else.
    public let operatorName: String
    /// By what.
    public let means: Means
    /// When the session ends, where there is one.
    public let sessionExpires: UTCTime?

    /// A caller.
    public init(
        address: String,
        identity: TailnetRecord,
        operatorName: String = "",
        means: Means = .none,
        sessionExpires: UTCTime? = nil
    ) {
        self.address = address
        self.identity = identity
        self.operatorName = operatorName
        self.means = means
        self.sessionExpires = sessionExpires
    }

    /// Reads an answer.
    public init(_ fields: JSONFields) throws(JSONError) {
        address = try fields.string("address", limit: 64)
        identity = try TailnetRecord(try fields.fields("identity"))
        operatorName = try fields.string("operator", limit: 128)
        means = Means(rawValue: try fields.string("by", limit: 32)) ?? .none
        sessionExpires = try fields.optional("session_expires") { fields, key throws(JSONError) in
            try fields.milliseconds(key)
        }
    }

    /// The answer as it is sent.
    public var json: JSONValue {
        var object: JSONObject = [
            "address": .string(address), "identity": identity.json, "operator": .string(operatorName),
            "by": .string(means.rawValue),
        ]
        if let sessionExpires { object["session_expires"] = .integer(sessionExpires.milliseconds) }
        return .object(object)
    }
}
