import ByteCoding
import CanonicalJSON
import OpenSSHFormats

/// `revoke`: which SSH certificates and keys count no more, from now on and for ever.
///
/// ```
/// "serials": [17, 18] | "key_id": "…" | "operator": "ada" | "node": "web-1" | "public_key": "ssh-ed25519 AAAA…"
/// "reason": "laptop lost"
/// ```
/// Exactly one of the five.
public struct RevokeBody: Hashable, Sendable {
    /// Most serials in one statement.
    public static let serialLimit = 10_000
    /// Most bytes of a reason.
    public static let reasonLimit = 1000

    /// What is revoked.
    public enum Subject: Hashable, Sendable {
        /// Certificates by serial, of whichever of the fleet's CAs: both take theirs from one sequence.
        case serials([UInt64])
        /// Certificates by key ID.
        case keyID(String)
        /// Every certificate issued to this operator so far; what the operator may still ask for is the policy's business.
        case person(OperatorName)
        /// Every certificate of this node, and every one that was asked for from it.
        case node(NodeID)
        /// A key: plain, or whatever certificate it has.
        case publicKey(SSHPublicKey)
    }

    /// What is revoked.
    public let subject: Subject
    /// Why, for the log.
    public let reason: String

    /// A body of these parts.
    public init(subject: Subject, reason: String) {
        self.subject = subject
        self.reason = reason
    }

    init(_ fields: JSONFields) throws(JSONError) {
        let named = ["serials", "key_id", "operator", "node", "public_key"].filter(fields.has)
        guard named.count == 1, let name = named.first else {
            throw fields.error(
                named.last ?? "serials",
                "exactly one of serials, key_id, operator, node and public_key says what is revoked"
            )
        }
        switch name {
        case "serials": subject = .serials(try Self.serials(fields))
        case "key_id": subject = .keyID(try fields.plainText(name, limit: SSHCertificateContent.keyIDLimit))
        case "operator": subject = .person(try fields.name(name))
        case "node": subject = .node(try fields.name(name))
        default: subject = .publicKey(try fields.sshPublicKey(name))
        }
        reason = try fields.plainText("reason", limit: Self.reasonLimit)
    }

    var members: JSONObject {
        var object: JSONObject = ["reason": .string(reason)]
        switch subject {
        case .serials(let serials): object["serials"] = .array(serials.map { .integer(Int64(clamping: $0)) })
        case .keyID(let keyID): object["key_id"] = .string(keyID)
        case .person(let name): object["operator"] = JSONValue(name)
        case .node(let node): object["node"] = JSONValue(node)
        case .publicKey(let key): object["public_key"] = .string(key.line)
        }
        return object
    }

    private static func serials(_ fields: JSONFields) throws(JSONError) -> [UInt64] {
        var serials: [UInt64] = []
        for (index, value) in try fields.array("serials", limit: serialLimit).enumerated() {
            guard case .integer(let number) = value, number > 0 else {
                throw fields.error("serials[\(index)]", "is not a whole number from 1 on")
            }
            serials.append(UInt64(number))
        }
        guard !serials.isEmpty else { throw fields.error("serials", "is empty") }
        return serials
    }
}
