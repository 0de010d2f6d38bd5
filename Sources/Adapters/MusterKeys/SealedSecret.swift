import ByteCoding
import CSodium
import SignatureVerification

/// A secret that only one node can read, such as a secret parameter of a run: libsodium's sealed box to its node key.
///
/// ```
/// sealed box to the X25519 form of the node's Ed25519 key of: SHA-256 of the purpose (32) | the secret
/// ```
/// Whoever holds the box cannot use it for anything else than what it was sealed for: an operator who copied it into a
/// request of their own would be handed nothing. Who sealed it is not said here; the statement that carries it is signed.
public enum SealedSecret {
    /// How many bytes longer than the secret its sealed form is.
    public static let overhead = 32 + boxOverhead
    private static let boxOverhead = crypto_box_sealbytes()
    /// Most bytes of a secret.
    public static let secretLimit = 4096

    /// The one use that a secret is sealed for.
    public struct Purpose: Hashable, Sendable {
        /// The statement's fleet, id and requester.
        public let fleet: String
        /// The statement's id.
        public let statement: String
        /// Who asks.
        public let requester: String
        /// The node that may read it.
        public let node: String
        /// The parameter that it is the value of.
        public let parameter: String

        /// A use.
        public init(fleet: String, statement: String, requester: String, node: String, parameter: String) {
            self.fleet = fleet
            self.statement = statement
            self.requester = requester
            self.node = node
            self.parameter = parameter
        }

        /// Lengths stand before the parts, so no two purposes have the same bytes.
        var digest: [UInt8] {
            var writer = ByteWriter()
            for part in ["muster sealed secret 1", fleet, statement, requester, node, parameter] { writer.string(part) }
            return Digest.sha256(writer.bytes)
        }
    }

    /// Seals `secret` to a node's Ed25519 public key; nil where that is none, or the secret is too long.
    public static func seal(_ secret: SecretBytes, to nodeKey: [UInt8], for purpose: Purpose) -> [UInt8]? {
        guard nodeKey.count == Int(crypto_sign_PUBLICKEYBYTES), secret.count <= secretLimit else { return nil }
        var boxKey = [UInt8](repeating: 0, count: Int(crypto_box_PUBLICKEYBYTES))
        guard crypto_sign_ed25519_pk_to_curve25519(&boxKey, nodeKey) == 0 else { return nil }
        let digest = purpose.digest
        let whole = SecretBytes(count: digest.count + secret.count) { storage in
            storage.initialize(from: digest, count: digest.count)
            secret.withBytes { (storage + digest.count).initialize(from: $0, count: secret.count) }
        }
        var sealed = [UInt8](repeating: 0, count: whole.count + boxOverhead)
        let code = whole.withBytes { crypto_box_seal(&sealed, $0, UInt64(whole.count), boxKey) }
        return code == 0 ? sealed : nil
    }

    /// The secret, where it was sealed to this key and for this purpose; else nil.
    public static func open(_ sealed: [UInt8], with key: Ed25519SecretKey, for purpose: Purpose) -> SecretBytes? {
        guard sealed.count >= overhead, sealed.count <= overhead + secretLimit else { return nil }
        var boxKey = [UInt8](repeating: 0, count: Int(crypto_box_PUBLICKEYBYTES))
        guard crypto_sign_ed25519_pk_to_curve25519(&boxKey, key.publicKey) == 0 else { return nil }
        let secretKey = key.boxKey
        var code: Int32 = -1
        let whole = SecretBytes(count: sealed.count - boxOverhead) { storage in
            code = secretKey.withBytes { crypto_box_seal_open(storage, sealed, UInt64(sealed.count), boxKey, $0) }
        }
        let digest = purpose.digest
        guard code == 0, whole.withBytes({ sodium_memcmp($0, digest, digest.count) }) == 0 else { return nil }
        return SecretBytes(count: whole.count - digest.count) { storage in
            whole.withBytes { storage.initialize(from: $0 + digest.count, count: whole.count - digest.count) }
        }
    }
}

extension Ed25519SecretKey {
    /// The X25519 form of the key.
    fileprivate var boxKey: SecretBytes {
        SecretBytes(count: Int(crypto_box_SECRETKEYBYTES)) { storage in
            withSecretKey { _ = crypto_sign_ed25519_sk_to_curve25519(storage, $0) }
        }
    }
}
