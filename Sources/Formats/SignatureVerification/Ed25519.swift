import CSodium

/// Ed25519 (RFC 8032) by libsodium, which refuses non-canonical encodings and keys of small order.
public enum Ed25519 {
    /// Bytes of a public key.
    public static let publicKeyLength = 32
    /// Bytes of a signature.
    public static let signatureLength = 64

    /// Whether `signature` over `message` was made by the secret half of `publicKey`.
    public static func verify(signature: [UInt8], message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard signature.count == signatureLength, publicKey.count == publicKeyLength, ready else { return false }
        return crypto_sign_verify_detached(signature, message, UInt64(message.count), publicKey) == 0
    }

    /// libsodium chooses its implementation once, before its first use.
    private static let ready = sodium_init() >= 0
}
