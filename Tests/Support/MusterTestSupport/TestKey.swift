import ByteCoding
import CSodium
import OpenSSHFormats
import SignatureVerification
import TUF

/// An Ed25519 key made from a name: the same in every run, and worth nothing outside tests.
public struct TestKey: Sendable {
    /// The name that it was made from.
    public let name: String
    /// Its 32-byte public key.
    public let publicKey: [UInt8]
    /// Its 32-byte seed, for tests that write it to a key file.
    public let seed: [UInt8]
    private let secretKey: [UInt8]

    /// The key of that name.
    public init(_ name: String) {
        self.name = name
        seed = Digest.sha256(Array("muster test key \(name)".utf8))
        var publicKey = [UInt8](repeating: 0, count: 32)
        var secretKey = [UInt8](repeating: 0, count: 64)
        _ = crypto_sign_seed_keypair(&publicKey, &secretKey, seed)
        self.publicKey = publicKey
        self.secretKey = secretKey
    }

    /// A key of which only the public half is known: documents can name it, but what it signs here does not verify.
    public init(publicOnly publicKey: [UInt8], name: String) {
        self.name = name
        seed = []
        self.publicKey = publicKey
        secretKey = [UInt8](repeating: 0, count: 64)
    }

    /// The plain Ed25519 signature of `message`.
    public func sign(_ message: [UInt8]) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: 64)
        _ = crypto_sign_detached(&signature, nil, message, UInt64(message.count), secretKey)
        return signature
    }

    /// The key as TUF metadata name it.
    public var tuf: TUFKey { TUFKey(ed25519: publicKey) }

    /// A TUF signature of an envelope's signed part.
    public func sign(_ envelope: SignedEnvelope) -> TUFSignature {
        TUFSignature(keyID: tuf.id, signature: sign(envelope.canonicalBytes))
    }

    /// The key as OpenSSH names it.
    public var ssh: SSHPublicKey {
        get throws { try SSHPublicKey(ed25519: publicKey) }
    }

    /// The SSHSIG blob over `message` that `ssh-keygen -Y sign -n namespace` would make.
    public func sshSignature(of message: [UInt8], namespace: String) throws -> [UInt8] {
        let data = SSHSignature.signedData(message: message, namespace: namespace, hash: .sha512)
        guard let plain = SSHKeySignature(algorithm: .ed25519, signature: sign(data)),
            let signature = SSHSignature(
                publicKey: try ssh,
                namespace: namespace,
                hash: .sha512,
                signature: plain
            )
        else { throw SSHFormatError("test key", "cannot sign") }
        return signature.blob
    }
}
