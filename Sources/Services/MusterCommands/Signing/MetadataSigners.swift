import MusterKeys
import MusterSigners
import MusterSystem
import OpenSSHFormats
import TUF

/// The keys at hand that may sign for a role: sealed files in the folder's `keys/`, or those that are named.
struct MetadataSigners: Sendable {
    /// What signs, each with the name it is shown by.
    let signers: [(name: String, signer: any Signer)]

    /// Unseals every key at hand that `authorized` names; a failure where there is none.
    ///
    /// A named `.pub` file stands for an Ed25519 key in the ssh-agent.
    static func collect(
        role: String,
        authorized: [String: TUFKey],
        named paths: [String],
        passphrase: PassphraseOptions,
        _ context: CommandContext
    ) async throws -> MetadataSigners {
        var signers: [(name: String, signer: any Signer)] = []
        var sealed: [(path: String, file: SealedKeyFile)] = []
        for path in try paths.isEmpty ? sealedPaths(context) : paths {
            if path.hasSuffix(".pub") {
                signers.append((path, try await agentSigner(path, context)))
            } else {
                sealed.append((path, try SealedKeyFile.read(path)))
            }
        }
        let allowed = Set(authorized.values.compactMap(\.ed25519))
        if !paths.isEmpty {
            for key in signers.map({ ($0.name, $0.signer.publicKey) }) + sealed.map({ ($0.path, $0.file.publicKey) })
            where !allowed.contains(key.1) {
                throw CommandFailure.refused("\(key.0) is not among the keys that may sign \(role)")
            }
        }
        sealed.removeAll { !allowed.contains($0.file.publicKey) }
        guard !sealed.isEmpty || !signers.isEmpty else {
            throw CommandFailure.refused(
                "none of the keys in \(context.folder.keys) may sign \(role): name one with --\(option(role)) FILE"
            )
        }
        signers += try unseal(sealed, passphrase, context)
        return MetadataSigners(signers: signers)
    }

    /// The envelope with the signatures of all these keys added, or of those among `allowed`.
    func sign(_ envelope: SignedEnvelope, allowed: [String: TUFKey]? = nil) async throws -> SignedEnvelope {
        var envelope = envelope
        for (_, signer) in signers {
            let key = TUFKey(ed25519: signer.publicKey)
            if let allowed, allowed[key.id] == nil { continue }
            let signature = try await signer.sign(envelope.canonicalBytes)
            envelope = try envelope.adding(TUFSignature(keyID: key.id, signature: signature))
        }
        return envelope
    }

    private static func option(_ role: String) -> String {
        switch role {
        case "policy": "policy-key"
        case "root": "root-key"
        default: "release-key"
        }
    }

    private static func sealedPaths(_ context: CommandContext) throws -> [String] {
        guard Directory.exists(context.folder.keys) else { return [] }
        return try Directory.entries(context.folder.keys).filter { $0.hasSuffix(".key") }.map {
            context.folder.keys + "/" + $0
        }
    }

    private static func unseal(
        _ sealed: [(path: String, file: SealedKeyFile)],
        _ options: PassphraseOptions,
        _ context: CommandContext
    ) throws -> [(name: String, signer: any Signer)] {
        guard !sealed.isEmpty else { return [] }
        let names = sealed.map { Directory.name(of: $0.path) }.joined(separator: ", ")
        let passphrase = try options.known(context.terminal, for: names)
        return try sealed.map { (Directory.name(of: $0.path), try $0.file.unseal(passphrase)) }
    }

    private static func agentSigner(_ path: String, _ context: CommandContext) async throws -> any Signer {
        let key = try OperatorKey.publicKey(path)
        guard case .ed25519(let bytes) = key.material else {
            throw CommandFailure.refused("\(path): only Ed25519 keys sign metadata, this is \(key.kind.rawValue)")
        }
        guard let socket = context.environment["SSH_AUTH_SOCK"], !socket.isEmpty else {
            throw CommandFailure.refused("\(path): no ssh-agent is running (SSH_AUTH_SOCK is not set)")
        }
        return try await AgentSigner(agent: SSHAgent(path: socket), publicKey: bytes)
    }
}
