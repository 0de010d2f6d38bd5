import ByteCoding
import SignatureVerification

/// An Ed25519 secret key on its way into an ssh-agent or a file, the only kind that muster makes.
///
/// Holds the secret in ordinary memory, so it is for a key that lives for hours: `wipe` it once it is handed over. Whoever
/// makes it brings the seed and the public key that belong together (MusterKeys).
public struct SSHPrivateKey: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Bytes of a seed.
    public static let seedLength = 32

    /// The key that others see.
    public let publicKey: SSHPublicKey
    /// The seed, then the 32 bytes of the public key, as OpenSSH and libsodium write it.
    public private(set) var secret: [UInt8]

    /// The key of a seed and its public half; an error where either is not 32 bytes.
    public init(seed: [UInt8], publicKey: [UInt8]) throws(SSHFormatError) {
        guard seed.count == Self.seedLength else {
            throw SSHFormatError("SSH private key", "a seed has \(Self.seedLength) bytes, found \(seed.count)")
        }
        self.publicKey = try SSHPublicKey(ed25519: publicKey)
        secret = seed + publicKey
    }

    init(publicKey: SSHPublicKey, secret: [UInt8]) throws(SSHFormatError) {
        guard case .ed25519(let key) = publicKey.material, secret.count == Self.seedLength + key.count,
            Array(secret[Self.seedLength...]) == key
        else { throw SSHFormatError("SSH private key", "its secret half does not belong to its public half") }
        self.publicKey = publicKey
        self.secret = secret
    }

    /// Overwrites the secret; the key is worth nothing afterwards.
    ///
    /// Copies elsewhere are not reached.
    public mutating func wipe() {
        for index in secret.indices { secret[index] = 0 }
    }

    /// Never the secret.
    public var description: String { "(secret half of \(publicKey))" }

    /// Never the secret.
    public var customMirror: Mirror { Mirror(self, children: ["publicKey": publicKey]) }
}
