import CSodium

/// An Ed25519 key that can sign.
public final class Ed25519SecretKey: Sendable, CustomStringConvertible {
    /// Bytes of a seed, from which the key is made.
    public static let seedLength = 32

    /// The 32 bytes that others verify with.
    public let publicKey: [UInt8]
    /// The seed and the public key, as libsodium signs with.
    private let secret: SecretBytes

    /// The key that a seed of 32 bytes makes; nil for any other length.
    public init?(seed: SecretBytes) {
        guard seed.count == Self.seedLength else { return nil }
        var publicKey = [UInt8](repeating: 0, count: Int(crypto_sign_PUBLICKEYBYTES))
        secret = SecretBytes(count: Int(crypto_sign_SECRETKEYBYTES)) { secret in
            _ = seed.withBytes { crypto_sign_seed_keypair(&publicKey, secret, $0) }
        }
        self.publicKey = publicKey
    }

    private init() {
        var publicKey = [UInt8](repeating: 0, count: Int(crypto_sign_PUBLICKEYBYTES))
        secret = SecretBytes(count: Int(crypto_sign_SECRETKEYBYTES)) {
            _ = crypto_sign_keypair(&publicKey, $0)
        }
        self.publicKey = publicKey
    }

    /// A new random key.
    public static func generate() -> Ed25519SecretKey { Ed25519SecretKey() }

    /// The 64 bytes of the signature over `message`; the same message always gives the same signature.
    public func sign(_ message: [UInt8]) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: Int(crypto_sign_BYTES))
        _ = secret.withBytes { crypto_sign_detached(&signature, nil, message, UInt64(message.count), $0) }
        return signature
    }

    /// Calls `body` with the 32 bytes of the seed, for writing the key to where it is sealed or private.
    public func withSeed<Result>(_ body: (UnsafePointer<UInt8>) throws -> Result) rethrows -> Result {
        try secret.withBytes(body)
    }

    /// Calls `body` with the 64 bytes that libsodium signs with.
    func withSecretKey<Result>(_ body: (UnsafePointer<UInt8>) throws -> Result) rethrows -> Result {
        try secret.withBytes(body)
    }

    /// Never the secret.
    public var description: String { "(Ed25519 secret key)" }
}
