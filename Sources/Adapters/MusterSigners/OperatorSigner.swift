import OpenSSHFormats
import SignatureVerification

/// An operator's SSH key, wherever it lives: it signs statements and log-in challenges as SSHSIG.
public protocol OperatorSigner: Sendable {
    /// The key that signs.
    var publicKey: SSHPublicKey { get }

    /// A verified SSHSIG signature over `message` in `namespace`. May wait for a person (passphrase, touch).
    func sign(_ message: [UInt8], namespace: String) async throws -> SSHSignature
}

/// An operator's key in an ssh-agent, spoken to directly: ed25519, ecdsa, rsa (SHA-512) and security keys.
public struct AgentOperatorSigner: OperatorSigner {
    /// The key that signs.
    public let publicKey: SSHPublicKey
    private let agent: SSHAgent

    /// A key that `agent` holds.
    public init(agent: SSHAgent, publicKey: SSHPublicKey) {
        self.agent = agent
        self.publicKey = publicKey
    }

    /// Asks the agent and verifies what it returns.
    public func sign(_ message: [UInt8], namespace: String) async throws -> SSHSignature {
        let data = SSHSignature.signedData(message: message, namespace: namespace, hash: .sha512)
        let inner = try await agent.sign(data, key: publicKey)
        guard
            let signature = SSHSignature(publicKey: publicKey, namespace: namespace, hash: .sha512, signature: inner)
        else { throw SigningError(.malformed, "'\(namespace)' is not a namespace that can be signed in") }
        return signature
    }
}
