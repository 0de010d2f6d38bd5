import OpenSSHFormats
import SignatureVerification

/// A `Signer` whose Ed25519 key lives in an ssh-agent: TPM, YubiKey, PKCS#11 or another user's process come free with it.
///
/// An agent's ed25519 signature is a plain Ed25519 signature of the data, so it fits TUF metadata as it is.
public struct AgentSigner: Signer {
    /// The 32 bytes that others verify with.
    public let publicKey: [UInt8]
    private let agent: SSHAgent
    private let key: SSHPublicKey

    /// The key with this public half in `agent`; an error where the agent does not hold it.
    public init(agent: SSHAgent, publicKey: [UInt8]) async throws {
        key = try SSHPublicKey(ed25519: publicKey)
        self.agent = agent
        self.publicKey = publicKey
        guard try await agent.keys().contains(where: { $0.blob == key.blob }) else {
            throw SigningError(
                .keyNotFound,
                "the ssh-agent at \(agent.path) does not hold \(key): add it with ssh-add"
            )
        }
    }

    /// Asks the agent and verifies what it returns.
    public func sign(_ bytes: [UInt8]) async throws -> [UInt8] {
        let signature = try await agent.sign(bytes, key: key).signature
        guard Ed25519.verify(signature: signature, message: bytes, publicKey: publicKey) else {
            throw SigningError(.badSignature, "the ssh-agent at \(agent.path) returned no valid signature by \(key)")
        }
        return signature
    }
}
