/// The configuration that sshd really has, all files taken together, as `sshd -T` prints it.
struct SSHDEffective: Hashable, Sendable {
    private let values: [String: [String]]

    /// Reads the output: one keyword, in lower case, and its value a line; some keywords come several times.
    init(_ text: String) {
        var values: [String: [String]] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard let keyword = parts.first else { continue }
            values[keyword.lowercased(), default: []].append(parts.count == 2 ? String(parts[1]) : "")
        }
        self.values = values
    }

    /// All values of a keyword; `none` is no value.
    func all(_ keyword: String) -> [String] { (values[keyword] ?? []).filter { $0 != "none" } }

    /// The first value of a keyword.
    func first(_ keyword: String) -> String? { all(keyword).first }

    /// What makes certificates of the fleet's CA good for more than the agent allows; nil where nothing does.
    ///
    /// sshd takes the first value that it finds of most keywords, and 9.2 the last one of AuthorizedPrincipalsCommand, so
    /// both the files before ours and those behind it can win; `sshd -T` knows.
    func danger(_ part: SSHDDropIn) -> String? {
        guard first("trustedusercakeys") == part.userAuthorities else { return nil }
        if let command = first("authorizedprincipalscommand"), command != part.principalsCommand {
            return "AuthorizedPrincipalsCommand is '\(command)': the statement in a certificate would not be checked"
        }
        if first("authorizedprincipalscommand") == nil {
            return "there is no AuthorizedPrincipalsCommand: the statement in a certificate would not be checked"
        }
        if let file = first("authorizedprincipalsfile") {
            return "AuthorizedPrincipalsFile is '\(file)', which lets certificates in before they are checked"
        }
        return nil
    }

    /// What keeps certificates of the fleet from working; nil where nothing does.
    func shortfall(_ part: SSHDDropIn, dropIn: String, configuration: String) -> String? {
        guard let authorities = first("trustedusercakeys") else {
            return "\(configuration) does not include \(dropIn): put 'Include \(Self.folder(dropIn))/*.conf' at its top"
        }
        let expected = [
            ("TrustedUserCAKeys", authorities, part.userAuthorities),
            ("RevokedKeys", first("revokedkeys") ?? "none", part.revocations),
            (
                "AuthorizedPrincipalsCommandUser", first("authorizedprincipalscommanduser") ?? "none",
                part.principalsUser
            ),
        ]
        for (keyword, found, wanted) in expected where found != wanted {
            return "\(keyword) is '\(found)' by a line that is read before \(dropIn), not '\(wanted)'"
        }
        if first("pubkeyauthentication") == "no" { return "PubkeyAuthentication is off: nobody can use a certificate" }
        let lists = [
            ("casignaturealgorithms", "CASignatureAlgorithms", "ssh-ed25519"),
            ("pubkeyacceptedalgorithms", "PubkeyAcceptedAlgorithms", "ssh-ed25519-cert-v01@openssh.com"),
        ]
        for (keyword, name, algorithm) in lists {
            guard let list = first(keyword), !list.split(separator: ",").contains(Substring(algorithm)) else {
                continue
            }
            return "\(name) lacks \(algorithm), which certificates of the fleet use"
        }
        let missing = part.hostCertificates.filter { !all("hostcertificate").contains($0) }
        if let path = missing.first { return "sshd does not show \(path)" }
        if let level = first("loglevel"), ["QUIET", "FATAL", "ERROR"].contains(level.uppercased()) {
            return "LogLevel is \(level): logins by certificate are not logged, so none can be reported"
        }
        return nil
    }

    private static func folder(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
