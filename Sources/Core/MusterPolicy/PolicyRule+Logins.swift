import CanonicalJSON
import MusterModel
import OpenSSHFormats

extension PolicyRule {
    /// What a rule for `ssh-certificate` allows besides the nodes.
    ///
    /// ```
    /// "users": ["deploy"] | ["*"], "max_seconds": 28800, "extensions": ["permit-pty"], "force_command": "/usr/bin/backup"
    /// ```
    /// Without `users` no login is allowed. Without `max_seconds` a certificate may live for a day, never longer. Without
    /// `extensions` a session gets a terminal and nothing else: forwarding of ports and agents carries a node's trust
    /// elsewhere, so it is asked for by name. With `force_command` only that command runs, whatever is asked for.
    public struct Logins: Hashable, Sendable {
        /// Which accounts.
        public enum Users: Hashable, Sendable {
            case any
            case only(Set<AccountName>)

            func allows(_ account: AccountName) -> Bool {
                switch self {
                case .any: true
                case .only(let accounts): accounts.contains(account)
                }
            }
        }

        /// The shortest that `max_seconds` may be.
        public static let shortest: Int64 = 60
        /// What a session gets where a rule does not say.
        public static let defaultExtensions = ["permit-pty"]

        /// The accounts to log in as.
        public let users: Users
        /// How long a certificate lives at most, in seconds; nil for a day.
        public let maximumSeconds: Int64?
        /// What a session gets; nil for a terminal.
        ///
        /// A name that this program does not know is granted to nobody.
        public let extensions: [String]?
        /// The only command; nil for any.
        public let forceCommand: String?

        /// Logins of these parts.
        public init(
            users: Users,
            maximumSeconds: Int64? = nil,
            extensions: [String]? = nil,
            forceCommand: String? = nil
        ) {
            self.users = users
            self.maximumSeconds = maximumSeconds
            self.extensions = extensions
            self.forceCommand = forceCommand
        }

        static let members: Set<String> = ["users", "max_seconds", "extensions", "force_command"]

        init?(_ fields: JSONFields) throws(JSONError) {
            guard Self.members.contains(where: fields.has) else { return nil }
            users =
                try fields.optional("users") { fields, key throws(JSONError) in try Self.users(fields, key) }
                ?? .only([])
            maximumSeconds = try fields.optional("max_seconds") { fields, key throws(JSONError) in
                try fields.integer(key, in: Self.shortest...Int64.max)
            }
            extensions = try fields.optional("extensions") { fields, key throws(JSONError) in
                try fields.strings(key, limit: 64, each: 128)
            }
            forceCommand = try fields.optional("force_command") { fields, key throws(JSONError) in
                try fields.plainText(key, limit: SSHCertificateBody.commandLimit)
            }
        }

        var json: JSONObject {
            var object = JSONObject()
            switch users {
            case .any: object["users"] = ["*"]
            case .only(let accounts): object["users"] = JSONValue(accounts.sorted())
            }
            if let maximumSeconds { object["max_seconds"] = .integer(maximumSeconds) }
            if let extensions { object["extensions"] = .array(extensions.map { .string($0) }) }
            if let forceCommand { object["force_command"] = .string(forceCommand) }
            return object
        }

        private static func users(_ fields: JSONFields, _ key: String) throws(JSONError) -> Users {
            let texts = try fields.strings(key, limit: 10_000, each: 128)
            if texts == ["*"] { return .any }
            return .only(Set(try fields.names(key, as: AccountName.self, limit: 10_000)))
        }
    }
}

/// What one rule grants to a login.
public struct LoginGrant: Hashable, Sendable {
    /// The rule.
    public let rule: String
    /// Whose approvals it counted.
    public let approvers: [OperatorName]
    /// How long the certificate lives at most, in seconds.
    public let maximumSeconds: Int64
    /// What the session gets: names that OpenSSH knows, in the order of a certificate.
    public let extensions: [String]
    /// The command that runs whatever is asked for; nil where the user may choose.
    public let forceCommand: String?

    init(_ rule: String, _ approvers: [OperatorName], _ logins: PolicyRule.Logins, command: String?) {
        self.rule = rule
        self.approvers = approvers
        let longest = SSHCertificateBody.validity.upperBound
        maximumSeconds = min(logins.maximumSeconds ?? longest, longest)
        let granted = logins.extensions ?? PolicyRule.Logins.defaultExtensions
        extensions = SSHCertificateOption.permissions.filter { name in
            granted.contains { $0.utf8.elementsEqual(name.utf8) }
        }
        forceCommand = logins.forceCommand ?? command
    }

    func isMoreGenerous(than other: LoginGrant) -> Bool {
        if (forceCommand == nil) != (other.forceCommand == nil) { return forceCommand == nil }
        if maximumSeconds != other.maximumSeconds { return maximumSeconds > other.maximumSeconds }
        if extensions.count != other.extensions.count { return extensions.count > other.extensions.count }
        return rule.utf8.lexicographicallyPrecedes(other.rule.utf8)
    }
}
