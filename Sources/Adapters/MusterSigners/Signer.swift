import ByteCoding
import CanonicalJSON
import MusterKeys
import SignatureVerification

/// Something that makes plain Ed25519 signatures: TUF metadata, manifests, checkpoints.
public protocol Signer: Sendable {
    /// The 32 bytes that others verify with; never changes.
    var publicKey: [UInt8] { get }

    /// The 64 bytes of the signature over `bytes`. May wait for a person (a touch, a confirmation) and may be refused.
    func sign(_ bytes: [UInt8]) async throws -> [UInt8]
}

extension Signer {
    /// The TUF key object of the public key.
    public var tufKey: JSONValue {
        [
            "keytype": "ed25519", "scheme": "ed25519",
            "keyval": ["public": .string(Hex.encode(publicKey))],
        ]
    }

    /// The TUF key id: SHA-256 of the canonical key object, in hexadecimal digits.
    public var keyID: String { Hex.encode(Digest.sha256(tufKey.canonicalBytes)) }
}

extension Ed25519SecretKey: Signer {}
