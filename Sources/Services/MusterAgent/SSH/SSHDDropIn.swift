/// The agent's part of sshd's configuration.
///
/// ```
/// TrustedUserCAKeys /var/lib/muster-agent/ssh/user-ca.pub
/// RevokedKeys /var/lib/muster-agent/ssh/revoked.krl
/// AuthorizedPrincipalsFile none
/// AuthorizedPrincipalsCommand /usr/bin/muster-agent ssh-principals --login /var/lib/muster-agent/ssh/login.json %u %k
/// AuthorizedPrincipalsCommandUser nobody
/// HostCertificate /var/lib/muster-agent/ssh/host-ed25519-cert.pub
/// ```
/// `AuthorizedPrincipalsFile none` is there because sshd asks the command only where no file says yes: a file that names
/// principals would let a stolen CA key in.
struct SSHDDropIn: Hashable, Sendable {
    let userAuthorities: String
    let revocations: String
    let principalsProgram: String
    let principalsUser: String
    let login: String
    let hostCertificates: [String]

    /// The value of `AuthorizedPrincipalsCommand`.
    var principalsCommand: String { "\(principalsProgram) ssh-principals --login \(login) %u %k" }

    /// Why it cannot be written: sshd would cut a path at a blank, or put something else in place of `%`.
    var obstacle: String? {
        let paths = [userAuthorities, revocations, principalsProgram, principalsUser, login] + hostCertificates
        return paths.first { !$0.utf8.allSatisfy(Self.isPlain) }.map {
            "'\($0)' cannot stand in sshd's configuration: use letters, digits and . _ - / only"
        }
    }

    /// The file.
    var text: String {
        var lines = [
            "# Written by muster-agent, which puts it back when it is changed. 'muster-agent serve --no-ssh' leaves it alone.",
            "TrustedUserCAKeys \(userAuthorities)", "RevokedKeys \(revocations)", "AuthorizedPrincipalsFile none",
            "AuthorizedPrincipalsCommand \(principalsCommand)", "AuthorizedPrincipalsCommandUser \(principalsUser)",
        ]
        lines += hostCertificates.map { "HostCertificate \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
            UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
