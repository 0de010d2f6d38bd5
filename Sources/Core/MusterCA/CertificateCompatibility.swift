import OpenSSHFormats

/// Refuses, while there is somebody to tell, what an sshd would refuse at login without a word about why.
public enum CertificateCompatibility {
    /// Why a target would refuse or mishandle the certificate, each in words; empty where it is fine.
    public static func obstacles(_ content: SSHCertificateContent, target: OpenSSHVersion) -> [String] {
        var obstacles: [String] = []
        func need(_ version: OpenSSHVersion, _ what: String) {
            if target < version { obstacles.append("\(target) \(what); it takes \(version)") }
        }
        if content.kind == .user {
            need(
                OpenSSHVersion(7, 4),
                "gives the certificate to no AuthorizedPrincipalsCommand, so no statement is verified"
            )
        }
        if content.authority.kind == .ed25519 || content.publicKey.kind == .ed25519 {
            need(OpenSSHVersion(6, 5), "does not know Ed25519 keys")
        }
        if content.publicKey.kind.isSecurityKey || content.authority.kind.isSecurityKey {
            need(OpenSSHVersion(8, 2), "does not know keys of security keys (sk-)")
        }
        if content.publicKey.kind == .rsa {
            need(OpenSSHVersion(7, 8), "takes RSA certificates with SHA-1 signatures only")
        }
        if content.criticalOption(SSHCertificateOption.verifyRequired) != nil {
            need(OpenSSHVersion(8, 4), "does not know the critical option 'verify-required' and denies the login")
        }
        if content.extension(SSHCertificateOption.noTouchRequired) != nil {
            need(OpenSSHVersion(8, 2), "does not know the extension 'no-touch-required'")
        }
        return obstacles
    }

    /// Refuses a certificate that any target, or any OpenSSH at all, would refuse or mishandle.
    static func check(_ content: SSHCertificateContent, _ targets: [OpenSSHVersion]) throws(CertificateRefusal) {
        if content.kind == .host, let option = content.criticalOptions.first {
            throw CertificateRefusal(
                .incompatible,
                "clients refuse host certificates with critical options, here '\(option.name)'"
            )
        }
        var found: [String] = []
        for target in targets {
            for obstacle in obstacles(content, target: target) where !found.contains(obstacle) {
                found.append(obstacle)
            }
        }
        guard found.isEmpty else { throw CertificateRefusal(.incompatible, found.joined(separator: "; ")) }
    }
}
