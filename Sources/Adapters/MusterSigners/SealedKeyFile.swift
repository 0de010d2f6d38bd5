import ByteCoding
import CSodium
import CanonicalJSON
import Glibc
import MusterKeys
import MusterSystem

/// An Ed25519 key sealed by a passphrase, in a file of mode 0600.
///
/// ```
/// {
///  "_type": "muster-sealed-key",
///  "cipher": {"name": "xchacha20-poly1305", "nonce": "<48 hex>", "sealed": "<96 hex>"},
///  "comment": "root key of ada",
///  "kdf": {"memory": 268435456, "name": "argon2id13", "operations": 3, "salt": "<32 hex>"},
///  "public_key": "<64 hex>",
///  "version": 1
/// }
/// ```
/// `sealed` is the encrypted 32-byte seed and its tag; the associated data are the canonical bytes of the whole object
/// without `sealed`, so that no part can be changed unnoticed. A file is accepted only exactly as it is written here.
///
/// Compatibility: a reader refuses every version but its own; a new version gets a new number.
public struct SealedKeyFile: Hashable, Sendable {
    /// Most bytes of a file.
    public static let byteLimit = 4096
    /// Most bytes of a comment.
    public static let commentLimit = 256

    /// What the key is for, in its owner's words.
    public let comment: String
    /// The 32 bytes that others verify with.
    public let publicKey: [UInt8]
    /// How the passphrase becomes a key.
    public let derivation: KeyDerivation
    let nonce: [UInt8]
    let sealed: [UInt8]

    /// Seals `key`.
    public init(
        sealing key: Ed25519SecretKey,
        passphrase: Passphrase,
        comment: String,
        cost: KeyDerivation.Cost = .moderate
    ) throws(SigningError) {
        guard comment.utf8.count <= Self.commentLimit else {
            throw SigningError(.malformed, "the comment is longer than \(Self.commentLimit) bytes")
        }
        self.comment = comment
        publicKey = key.publicKey
        derivation = KeyDerivation(cost: cost, salt: RandomBytes.make(KeyDerivation.saltLength))
        let nonce = RandomBytes.make(Self.nonceLength)
        self.nonce = nonce
        let secret = try derivation.key(passphrase, count: Self.cipherKeyLength)
        let associated = Self.open(comment, publicKey, derivation, nonce).canonicalBytes
        var sealed = [UInt8](repeating: 0, count: Self.sealedLength)
        key.withSeed { seed in
            secret.withBytes { secret in
                _ = crypto_aead_xchacha20poly1305_ietf_encrypt(
                    &sealed,
                    nil,
                    seed,
                    UInt64(Ed25519SecretKey.seedLength),
                    associated,
                    UInt64(associated.count),
                    nil,
                    nonce,
                    secret
                )
            }
        }
        self.sealed = sealed
    }

    /// Parses a file's bytes.
    public init(_ bytes: [UInt8]) throws(SigningError) {
        do throws(JSONError) {
            let fields = try JSONFields(try JSONValue.parse(bytes, limit: Self.byteLimit))
            guard try fields.string("_type", limit: 64) == Self.typeName, try fields.integer("version") == 1 else {
                throw fields.error("_type", "is not a \(Self.typeName) of version 1")
            }
            comment = try fields.string("comment", limit: Self.commentLimit)
            publicKey = try fields.hex("public_key", count: 32)
            derivation = try KeyDerivation(try fields.fields("kdf"))
            let cipher = try fields.fields("cipher")
            guard try cipher.string("name", limit: 64) == Self.cipherName else {
                throw cipher.error("name", "is not \(Self.cipherName)")
            }
            nonce = try cipher.hex("nonce", count: Self.nonceLength)
            sealed = try cipher.hex("sealed", count: Self.sealedLength)
        } catch {
            throw SigningError(.malformed, "this is not a sealed key: \(error)")
        }
        guard self.bytes == bytes else {
            throw SigningError(.malformed, "this is not a sealed key as muster writes it: restore the file")
        }
    }

    /// Reads a file; refuses one that others may read.
    public static func read(_ path: String) throws -> SealedKeyFile {
        let file = try OpenFile(path, flags: O_RDONLY | O_NONBLOCK)
        guard try file.status().st_mode & 0o077 == 0 else {
            throw SigningError(
                .refused,
                "\(path): others may read or write it, and try passphrases; if nobody did, 'chmod 600' it, "
                    + "else have its role's holders replace the key"
            )
        }
        let bytes = try BoundedFile.read(file, limit: byteLimit)
        do throws(SigningError) {
            return try SealedKeyFile(bytes)
        } catch {
            throw SigningError(error.code, "\(path): \(error.message)")
        }
    }

    /// Writes the file, mode 0600, whole or not at all.
    public func write(to path: String) throws(SystemError) {
        try AtomicFile.write(bytes, to: path)
    }

    /// The file's bytes.
    public var bytes: [UInt8] {
        guard case .object(var object) = Self.open(comment, publicKey, derivation, nonce),
            case .object(var cipher)? = object["cipher"]
        else { return [] }
        cipher["sealed"] = .string(Hex.encode(sealed))
        object["cipher"] = .object(cipher)
        return Array(JSONValue.object(object).prettyText.utf8)
    }

    /// Opens the seal; the key signs until it is dropped.
    public func unseal(_ passphrase: Passphrase) throws(SigningError) -> Ed25519SecretKey {
        let secret = try derivation.key(passphrase, count: Self.cipherKeyLength)
        let associated = Self.open(comment, publicKey, derivation, nonce).canonicalBytes
        var result: Int32 = -1
        let seed = SecretBytes(count: Ed25519SecretKey.seedLength) { seed in
            result = secret.withBytes { secret in
                crypto_aead_xchacha20poly1305_ietf_decrypt(
                    seed,
                    nil,
                    nil,
                    sealed,
                    UInt64(sealed.count),
                    associated,
                    UInt64(associated.count),
                    nonce,
                    secret
                )
            }
        }
        guard result == 0 else {
            throw SigningError(
                .wrongPassphrase,
                "cannot open the sealed key '\(comment)': the passphrase is wrong, or the file was altered"
            )
        }
        guard let key = Ed25519SecretKey(seed: seed), key.publicKey == publicKey else {
            throw SigningError(.malformed, "the sealed key '\(comment)' does not fit its public key: restore the file")
        }
        return key
    }

    /// The document without its sealed part: what is bound to the seal.
    private static func open(
        _ comment: String,
        _ publicKey: [UInt8],
        _ derivation: KeyDerivation,
        _ nonce: [UInt8]
    ) -> JSONValue {
        [
            "_type": .string(typeName), "version": 1, "comment": .string(comment), "kdf": derivation.json,
            "public_key": .string(Hex.encode(publicKey)),
            "cipher": ["name": .string(cipherName), "nonce": .string(Hex.encode(nonce))],
        ]
    }

    private static let typeName = "muster-sealed-key"
    private static let cipherName = "xchacha20-poly1305"
    private static let nonceLength = Int(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
    private static let cipherKeyLength = Int(crypto_aead_xchacha20poly1305_ietf_KEYBYTES)
    private static let sealedLength = Ed25519SecretKey.seedLength + Int(crypto_aead_xchacha20poly1305_ietf_ABYTES)
}
