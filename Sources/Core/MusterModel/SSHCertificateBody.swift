import ByteCoding
import CanonicalJSON
import OpenSSHFormats

/// `ssh-certificate`: a certificate for an ephemeral key, to log in with.
///
/// ```
/// "public_key": "ssh-ed25519 AAAA…", "user": "deploy", "nodes": ["tag:web"], "seconds": 28800,
/// "command": "uptime"?, "reason": "…"?
/// ```
/// The whole signed statement stands in the certificate's extension `statement@muster`, so that a node needs nobody's word
/// for it. It is used as often as its certificate is, until it expires: whoever asks lets it expire when the certificate
/// shall, plus the time that approvers may take.
public struct SSHCertificateBody: Hashable, Sendable {
    /// Shortest and longest validity of a user certificate, in seconds.
    public static let validity: ClosedRange<Int64> = 30...86400
    /// Longest life of the statement, in seconds: a day for approvals to come in, and a day for the certificate.
    public static let statementLifetime: Int64 = 2 * 86400
    /// How far before its making a certificate begins, in seconds: clocks differ.
    public static let backdating: Int64 = 60
    /// The certificate's extension that carries the statement and its signatures.
    public static let statementExtension = "statement@muster"
    /// Most bytes of a command.
    public static let commandLimit = 4096

    /// The key that the certificate is for: made for it, and thrown away with it.
    public let publicKey: SSHPublicKey
    /// The account to log in as.
    public let user: AccountName
    /// The nodes to log in on, as far as the policy allows.
    public let nodes: [NodeSelector]
    /// For how many seconds the certificate is wanted.
    public let seconds: Int64
    /// The one command that the certificate runs; nil for whatever the user asks for.
    public let command: String?
    /// What it is for, for the log.
    public let reason: String?

    /// A body of these parts.
    public init(
        publicKey: SSHPublicKey,
        user: AccountName,
        nodes: [NodeSelector],
        seconds: Int64,
        command: String? = nil,
        reason: String? = nil
    ) {
        self.publicKey = publicKey
        self.user = user
        self.nodes = nodes
        self.seconds = seconds
        self.command = command
        self.reason = reason
    }

    init(_ fields: JSONFields) throws(JSONError) {
        publicKey = try fields.sshPublicKey("public_key")
        user = try fields.name("user")
        nodes = try fields.selectors("nodes")
        guard !nodes.isEmpty else { throw fields.error("nodes", "is empty") }
        seconds = try fields.integer("seconds", in: Self.validity)
        command = try fields.optional("command") { fields, key throws(JSONError) in
            try fields.plainText(key, limit: Self.commandLimit)
        }
        reason = try fields.optional("reason") { fields, key throws(JSONError) in
            try fields.plainText(key, limit: 1000)
        }
    }

    var members: JSONObject {
        var object: JSONObject = [
            "public_key": .string(publicKey.line), "user": JSONValue(user), "nodes": nodes.json,
            "seconds": .integer(seconds),
        ]
        if let command { object["command"] = .string(command) }
        if let reason { object["reason"] = .string(reason) }
        return object
    }
}

extension JSONFields {
    /// An OpenSSH public key on one line.
    public func sshPublicKey(_ key: String) throws(JSONError) -> SSHPublicKey {
        let line = try string(key, limit: SSHPublicKey.lineLimit)
        do throws(SSHFormatError) {
            return try SSHPublicKey(line: line)
        } catch {
            throw self.error(key, error.reason)
        }
    }

    /// Text of 1 to `limit` bytes without control characters, which would break a line of a log or of sshd's files.
    public func plainText(_ key: String, limit: Int) throws(JSONError) -> String {
        let text = try string(key, limit: limit)
        guard !text.isEmpty else { throw error(key, "is empty") }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw error(key, "holds control characters") }
        return text
    }
}
