import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterKeys
import MusterModel
import MusterSigners
import MusterSystem
import SignatureVerification

/// The keys that the service signs with: freshness, manifests, revocations and certificates, never a release or a statement.
struct ServiceKeys: Sendable {
    let snapshot: any Signer
    let timestamp: any Signer
    let manifest: any Signer
    let revocations: any Signer
    /// The SSH certificate authorities.
    let authorities: SSHAuthorityKeys

    /// What each key is for, which is also the name of its file.
    static let roles = ["snapshot", "timestamp", "manifest", "revocations"]

    /// The public keys as the fleet's owners see them.
    var description: ServiceDescription.Keys {
        ServiceDescription.Keys(
            snapshot: snapshot.publicKey,
            timestamp: timestamp.publicKey,
            manifest: manifest.publicKey,
            revocations: revocations.publicKey,
            sshUserAuthority: authorities.key(.user, .present)?.publicKey,
            sshHostAuthority: authorities.key(.host, .present)?.publicKey
        )
    }

    /// What the set-up token holds of them.
    var digest: [UInt8] { Digest.sha256(description.json.canonicalBytes) }

    private init(_ signers: [any Signer], _ authorities: SSHAuthorityKeys) {
        snapshot = signers[0]
        timestamp = signers[1]
        manifest = signers[2]
        revocations = signers[3]
        self.authorities = authorities
    }

    /// Opens the sealed files below `folder`; makes those that are missing.
    static func sealed(in folder: String, passphrase: Passphrase?) throws -> ServiceKeys {
        let passphrase = try passphrase ?? machinePassphrase(folder + "/passphrase")
        return ServiceKeys(
            try roles.map { role in
                let path = "\(folder)/\(role).key"
                if Directory.exists(path) { return try SealedKeyFile.read(path).unseal(passphrase) }
                let key = Ed25519SecretKey.generate()
                try SealedKeyFile(
                    sealing: key,
                    passphrase: passphrase,
                    comment: "musterd \(role) key",
                    cost: .interactive
                ).write(to: path)
                return key
            },
            try SSHAuthorityKeys.sealed(in: folder, passphrase: passphrase)
        )
    }

    /// Keys that live in an ssh-agent; which one is which stands in `folder`, made of the agent's Ed25519 keys in order.
    static func agent(_ socket: String, folder: String) async throws -> ServiceKeys {
        let agent = SSHAgent(path: socket)
        let file = folder + "/agent-keys"
        let available = try await agent.ed25519Keys()
        let keys: [[UInt8]]
        if let bytes = try BoundedFile.readIfPresent(file, limit: 4096) {
            keys = String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { Hex.decode($0) }
        } else {
            keys = available
        }
        guard keys.count >= roles.count else {
            throw SigningError(
                .keyNotFound,
                "the ssh-agent at \(socket) holds \(keys.count) Ed25519 keys, musterd needs \(roles.count): add them with ssh-add"
            )
        }
        var signers: [any Signer] = []
        for key in keys.prefix(roles.count) { signers.append(try await AgentSigner(agent: agent, publicKey: key)) }
        let text = keys.prefix(roles.count).map { Hex.encode($0) + "\n" }.joined()
        try AtomicFile.write(Array(text.utf8), to: file)
        let authorities = try await SSHAuthorityKeys.agent(
            agent,
            folder: folder,
            reserved: Set(keys.prefix(roles.count)),
            available: available
        )
        return ServiceKeys(signers, authorities)
    }

    /// A passphrase of this machine: it keeps the keys out of backups that leave out one file, nothing more.
    private static func machinePassphrase(_ file: String) throws -> Passphrase {
        var bytes: [UInt8]
        if let present = try BoundedFile.readIfPresent(file, limit: Passphrase.byteLimit) {
            bytes = present
        } else {
            bytes = Array(Base64.encode(RandomBytes.make(32), alphabet: .url).utf8)
            try AtomicFile.write(bytes, to: file)
        }
        guard let passphrase = Passphrase(wiping: &bytes) else {
            throw SystemError("use", file, because: "the passphrase in it is empty or too long")
        }
        return passphrase
    }
}
