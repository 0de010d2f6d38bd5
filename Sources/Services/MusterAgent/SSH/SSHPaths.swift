import Glibc
import MusterSystem
import OpenSSHFormats

/// The files of the node's SSH side.
///
/// What sshd and the principals command read is in a folder that everybody may read and only we may write; what only the
/// agent needs is beside it, for nobody else.
struct SSHPaths: Sendable {
    /// The folder that others read, `ssh` in the agent's own.
    let folder: String
    private let agent: String

    init(_ paths: AgentPaths) {
        agent = paths.folder
        folder = paths.folder + "/ssh"
    }

    /// Public keys of the user CAs that sshd trusts.
    var userAuthorities: String { folder + "/user-ca.pub" }
    /// The fleet's KRL; always there, since sshd without it refuses every public key.
    var revocations: String { folder + "/revoked.krl" }
    /// What the principals command decides by.
    var login: String { folder + "/login.json" }
    /// Which authorities were trusted last.
    var trust: String { agent + "/ssh-trust.json" }
    /// The newest KRL that the fleet signed, to put back what is removed or altered.
    var revocationsCopy: String { agent + "/ssh-revoked.krl" }
    /// Which fleet signed that KRL, and by which keys.
    var revocationsOrigin: String { agent + "/ssh-revoked.json" }
    /// What of sshd's configuration was checked and loaded.
    var setup: String { agent + "/ssh-setup.json" }
    /// A drop-in that is not in its place yet.
    var candidate: String { agent + "/ssh-candidate.conf" }
    /// Logins that the service has not heard of, and how far the log was read.
    var logins: String { agent + "/ssh-logins.json" }

    /// Forgets the newest KRL: what another fleet revoked, and how often, says nothing here.
    func forgetRevocations() throws(SystemError) {
        for path in [revocationsOrigin, revocationsCopy] { try AtomicFile.remove(path) }
    }

    /// The certificate of a host key; of the keys of one kind, the second has number 2.
    func hostCertificate(_ kind: SSHKeyKind, number: Int = 1) -> String {
        let name =
            switch kind {
            case .ed25519: "ed25519"
            case .ecdsaP256: "ecdsa"
            case .rsa: "rsa"
            case .skEd25519: "ed25519-sk"
            case .skECDSAP256: "ecdsa-sk"
            }
        return folder + "/host-\(name)\(number == 1 ? "" : "-\(number)")-cert.pub"
    }

    /// Makes the folder, and lets others pass through the agent's own, whose files stay closed to them.
    func create() throws(SystemError) {
        try Directory.create(folder, mode: 0o755)
        for (path, mode) in [(folder, mode_t(0o755)), (agent, mode_t(0o711))] {
            guard chmod(path, mode) == 0 else { throw SystemError("open to readers", path, errno: errno) }
        }
    }
}
