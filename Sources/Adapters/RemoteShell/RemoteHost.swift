import OpenSSHFormats

/// A machine to log in on: where it is, and which keys prove that it is the one.
public struct RemoteHost: Sendable {
    /// Its IPv4 or IPv6 address; no name, so that nobody else is asked.
    public let address: String
    /// Its sshd's port.
    public let port: UInt16
    /// The account.
    public let user: String
    /// Its host keys: the server must prove to have one of them.
    public let hostKeys: [SSHPublicKey]
    /// What is revoked: a server with a key of this list is refused, even where `hostKeys` has it.
    public let revoked: SSHRevocationList?
    /// The address to come from; nil for whichever the system takes.
    public let source: String?

    /// A host of these parts.
    public init(
        address: String,
        port: UInt16 = 22,
        user: String,
        hostKeys: [SSHPublicKey],
        revoked: SSHRevocationList? = nil,
        source: String? = nil
    ) {
        self.address = address
        self.port = port
        self.user = user
        self.hostKeys = hostKeys
        self.revoked = revoked
        self.source = source
    }

    /// What bounds how many handshakes it is asked for at once: its address, and for all of loopback this machine.
    var machine: String { address.hasPrefix("127.") || address == "::1" ? "loopback" : address }

    /// `[address]:port`, as OpenSSH writes it.
    var name: String { "[\(address)]:\(port)" }

    /// Why the server's key is not good enough; nil where it is.
    func objection(to blob: [UInt8]) -> RemoteShellError? {
        guard let key = hostKeys.first(where: { $0.blob == blob }) else {
            let shown = (try? SSHPublicKey(blob: blob))?.description ?? "a key that is not known here"
            let wanted = hostKeys.map(\.description).joined(separator: ", ")
            return RemoteShellError(
                .hostKey,
                "\(name) shows \(shown), but the node's record has \(wanted.isEmpty ? "no host key" : wanted)"
            )
        }
        guard revoked?.revokes(key) != true else {
            return RemoteShellError(.revokedHostKey, "\(name) shows \(key), which is revoked")
        }
        return nil
    }

    /// The signature algorithms of the keys, as the handshake names them.
    var hostKeyAlgorithms: String {
        var names: [String] = []
        for key in hostKeys {
            switch key.kind {
            case .ed25519: names.append("ssh-ed25519")
            case .ecdsaP256: names.append("ecdsa-sha2-nistp256")
            case .rsa: names += ["rsa-sha2-512", "rsa-sha2-256"]
            case .skEd25519, .skECDSAP256: break
            }
        }
        var distinct: [String] = []
        for name in names where !distinct.contains(name) { distinct.append(name) }
        return distinct.joined(separator: ",")
    }
}
