import ByteCoding
import CanonicalJSON
import MusterModel

/// A login by an SSH certificate that the service never issued, as people are told of it: once for each serial and node.
public struct RogueLoginNotice: Hashable, Sendable {
    /// The node that reports it.
    public let node: NodeID
    /// What people call the node.
    public let name: String
    /// The certificate's serial, as sshd logged it; 0 where it did not say.
    public let serial: Int64
    /// The certificate's key ID, as sshd logged it.
    public let keyID: String
    /// The account.
    public let user: String
    /// Where the login came from.
    public let address: String
    /// When sshd let it in.
    public let login: UTCTime
    /// Why the certificate cannot be one of ours, one clause.
    public let why: String

    /// A notice of these parts.
    public init(
        node: NodeID,
        name: String,
        serial: Int64,
        keyID: String,
        user: String,
        address: String,
        login: UTCTime,
        why: String
    ) {
        self.node = node
        self.name = name
        self.serial = serial
        self.keyID = keyID
        self.user = user
        self.address = address
        self.login = login
        self.why = why
    }

    /// `rogue login on node web1 as root from 192.0.2.7 by certificate 4711: no certificate with this serial was ever issued`.
    public var text: String {
        let (user, address) = (OneLine.text(self.user), OneLine.text(self.address))
        return "rogue login on node \(OneLine.text(name)) as \(user) from \(address) by certificate \(serial): "
            + OneLine.text(why)
    }

    /// What whoever reads it can do.
    public var advice: String {
        let revoke = serial > 0 ? "muster ssh revoke --serial \(serial) --reason TEXT, " : ""
        return "somebody may have the key of an SSH CA: end the session, \(revoke)and unless somebody can explain it "
            + "replace the CA: muster ssh rotate user"
    }

    /// The notice as webhooks get it.
    public var json: JSONValue {
        [
            "subject": "rogue-login", "id": JSONValue(node), "name": .string(name), "serial": .integer(serial),
            "key_id": .string(keyID), "user": .string(user), "address": .string(address),
            "login": .string(login.description), "why": .string(why), "level": .string(NoticeLevel.urgent.rawValue),
            "text": .string(text), "advice": .string(advice),
        ]
    }
}
