import ByteCoding
import MusterModel
import MusterSystem
import OpenSSHFormats

extension ConfigurationFolder {
    /// Certificates and what goes with them: `ssh/` of the configuration, for its owner only.
    ///
    /// ```
    /// known_hosts          @cert-authority lines of the fleet's host CAs, verified by TUF
    /// hosts.json           what nodes are called, for ten minutes
    /// ssh_config           what 'muster ssh config --write' has ~/.ssh/config include
    /// USER@HOST/id-cert.pub  the newest certificate of that login
    /// USER@HOST/id           its key, only where no ssh-agent holds it
    /// ```
    var ssh: String { path + "/ssh" }
    var knownHostsFile: String { ssh + "/known_hosts" }
    var hostsFile: String { ssh + "/hosts.json" }
    var sshConfigurationFile: String { ssh + "/ssh_config" }
}

/// The name of a host as somebody types it, in lower case: it becomes part of a file's name and of ssh's command line.
struct HostName: Sendable, Hashable {
    let text: String

    /// The name; nil where it could be anything else than one.
    init?(_ text: String) {
        let text = text.lowercased()
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: ".-_:".utf8.contains(byte)
            }
        }
        guard isPlain, (1...253).contains(text.utf8.count), !text.hasPrefix("-") else { return nil }
        self.text = text.hasSuffix(".") && text.utf8.count > 1 ? String(text.dropLast()) : text
    }
}

/// An IP address as this program writes it: what the service says reaches ssh's command line and `%h` of the user's own
/// `ProxyCommand`, which a shell runs.
struct HostAddress: Sendable, Hashable {
    let text: String

    /// The address; nil where it is anything else than one.
    init?(_ text: String) {
        guard text.utf8.count <= 64, !text.utf8.contains(UInt8(ascii: "/")), let block = AddressBlock(text) else {
            return nil
        }
        self.text = block.address
    }
}

/// Where the key and the certificate of one login are: `ssh/USER@HOST/`.
struct LoginPlace: Sendable {
    let folder: String

    init(_ user: AccountName, _ host: HostName, _ configuration: ConfigurationFolder) {
        folder = configuration.ssh + "/\(user)@\(host.text)"
    }

    var keyFile: String { folder + "/id" }
    var certificateFile: String { folder + "/id-cert.pub" }
    var lockFile: String { folder + "/lock" }

    /// The newest certificate; nil where there is none that can be read.
    func certificate() -> SSHCertificate? {
        guard let bytes = try? BoundedFile.readIfPresent(certificateFile, limit: SSHCertificate.lineLimit) else {
            return nil
        }
        return try? SSHCertificate(line: String(decoding: bytes, as: UTF8.self).filter { $0 != "\n" })
    }
}
