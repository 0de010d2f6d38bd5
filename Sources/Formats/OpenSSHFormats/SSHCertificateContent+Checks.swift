import ByteCoding

extension SSHCertificateContent {
    static let subject = "SSH certificate"

    func check() throws(SSHFormatError) {
        guard nonce.count == Self.nonceLength else {
            throw SSHFormatError(Self.subject, "its nonce has \(nonce.count) bytes, not \(Self.nonceLength)")
        }
        guard keyID.utf8.count <= Self.keyIDLimit, Self.isPlain(keyID) else {
            throw SSHFormatError(Self.subject, "its key ID is longer than \(Self.keyIDLimit) bytes or not plain text")
        }
        guard validAfter < validBefore else {
            throw SSHFormatError(Self.subject, "it is good from \(validAfter) to \(validBefore), which is never")
        }
        try checkPrincipals()
        try Self.check(criticalOptions, critical: true)
        try Self.check(extensions, critical: false)
    }

    private func checkPrincipals() throws(SSHFormatError) {
        guard (1...Self.principalLimit).contains(principals.count) else {
            throw SSHFormatError(Self.subject, "it has \(principals.count) principals, not 1 to \(Self.principalLimit)")
        }
        for (index, principal) in principals.enumerated() {
            guard let obstacle = Self.obstacle(to: principal, kind) else {
                guard !principals[..<index].contains(where: { $0.utf8.elementsEqual(principal.utf8) }) else {
                    throw SSHFormatError(Self.subject, "principal '\(principal)' is listed twice")
                }
                continue
            }
            throw SSHFormatError(Self.subject, "principal '\(principal.prefix(80))' \(obstacle)")
        }
    }

    /// Why no certificate may name this principal, as the end of a sentence.
    private static func obstacle(to principal: String, _ kind: Kind) -> String? {
        guard (1...principalByteLimit).contains(principal.utf8.count) else {
            return "is empty or longer than \(principalByteLimit) bytes"
        }
        guard isPlain(principal) else { return "holds control characters" }
        guard !principal.utf8.contains(UInt8(ascii: ",")) else { return "holds a comma, which some sshd take for two" }
        guard kind == .host else { return nil }
        guard !principal.utf8.contains(where: { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }),
            principal.utf8.first != UInt8(ascii: "!")
        else { return "is a pattern; hosts are listed by name" }
        return nil
    }

    private static func check(_ options: [SSHCertificateOption], critical: Bool) throws(SSHFormatError) {
        let what = critical ? "critical option" : "extension"
        guard options.count <= optionLimit else {
            throw SSHFormatError(subject, "it has \(options.count) \(what)s, more than \(optionLimit)")
        }
        var last: SSHCertificateOption?
        for option in options {
            guard (1...SSHCertificateOption.nameLimit).contains(option.name.utf8.count), isPlain(option.name) else {
                throw SSHFormatError(subject, "the name of \(what) '\(option.name.prefix(80))' is not plain text")
            }
            if let last, !last.name.utf8.lexicographicallyPrecedes(option.name.utf8) {
                throw SSHFormatError(subject, "\(what) '\(option.name)' is out of order or there twice")
            }
            if let obstacle = option.obstacle(critical: critical) { throw SSHFormatError(subject, obstacle) }
            last = option
        }
    }

    /// Neither NUL, which ends a C string, nor anything else that would disturb a log line.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}
