import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterKeys
import MusterSigners
import MusterSystem
import OpenSSHFormats
import SignatureVerification

/// The four keys that the service signs with: freshness, manifests and revocations, never a release or a statement.
struct ServiceKeys: Sendable {
    let snapshot: any Signer
    let timestamp: any Signer
    let manifest: any Signer
    let revocations: any Signer

    /// What each key is for, which is also the name of its file.
    static let roles = ["snapshot", "timestamp", "manifest", "revocations"]

    /// The public keys as the fleet's owners see them.
    var description: ServiceDescription.Keys {
        ServiceDescription.Keys(
            snapshot: snapshot.publicKey,
            timestamp: timestamp.publicKey,
            manifest: manifest.publicKey,
            revocations: revocations.publicKey
        )
    }

    /// What the set-up token holds of them.
    var digest: [UInt8] { Digest.sha256(description.json.canonicalBytes) }

    private init(_ signers: [any Signer]) {
        snapshot = signers[0]
        timestamp = signers[1]
        manifest = signers[2]
        revocations = signers[3]
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
            }
        )
    }

    /// Keys that live in an ssh-agent; which one is which stands in `folder`, made of the agent's Ed25519 keys in order.
    static func agent(_ socket: String, folder: String) async throws -> ServiceKeys {
        let agent = SSHAgent(path: socket)
        let file = folder + "/agent-keys"
        let keys: [[UInt8]]
        if let bytes = try BoundedFile.readIfPresent(file, limit: 4096) {
            keys = String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { Hex.decode($0) }
        } else {
            keys = try await agent.keys().compactMap { identity in
                guard let key = try? SSHPublicKey(blob: identity.blob), case .ed25519(let bytes) = key.material else {
                    return nil
                }
                return bytes
            }
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
        return ServiceKeys(signers)
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
