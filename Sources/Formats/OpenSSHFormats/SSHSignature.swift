import ByteCoding
import SignatureVerification

/// An SSHSIG signature, as `ssh-keygen -Y sign` makes it (OpenSSH's PROTOCOL.sshsig).
///
/// ```
/// "SSHSIG" u32 1 | string public key | string namespace | string reserved | string hash | string signature
/// ```
/// The key signs `"SSHSIG" | string namespace | string reserved | string hash | string H(message)`, so a signature made in
/// one namespace is none in another.
public struct SSHSignature: Hashable, Sendable {
    /// Most bytes of a blob.
    public static let byteLimit = 8192
    /// Most bytes of a namespace.
    public static let namespaceLimit = 128

    /// The key that is said to have signed; whether it is anybody's is for the caller to know.
    public let publicKey: SSHPublicKey
    /// What the signature is for, such as `upgrade@muster`.
    public let namespace: String
    /// The hash of the message that was signed.
    public let hash: DigestAlgorithm
    /// The key's signature over `signedData`.
    public let signature: SSHKeySignature

    /// A signature of these parts; nil where the namespace is empty or too long, or the key cannot sign so.
    public init?(publicKey: SSHPublicKey, namespace: String, hash: DigestAlgorithm, signature: SSHKeySignature) {
        guard !namespace.isEmpty, namespace.utf8.count <= Self.namespaceLimit,
            signature.algorithm.keyKind == publicKey.kind
        else { return nil }
        self.publicKey = publicKey
        self.namespace = namespace
        self.hash = hash
        self.signature = signature
    }

    /// Parses the binary form.
    public init(blob: [UInt8]) throws(SSHFormatError) {
        let subject = "SSHSIG signature"
        self = try SSHFormatError.reading(subject, blob, limit: Self.byteLimit) { reader in
            guard try reader.bytes(Self.magic.count) == Self.magic else {
                throw SSHFormatError(subject, "does not begin with SSHSIG")
            }
            let version = try reader.uint32()
            guard version == 1 else { throw SSHFormatError(subject, "version \(version) is not 1") }
            let key = try SSHPublicKey(blob: try reader.string(limit: SSHPublicKey.blobLimit))
            let namespace = try reader.text(limit: Self.namespaceLimit)
            guard try reader.string(limit: 0).isEmpty else { throw SSHFormatError(subject, "reserved is not empty") }
            let hashName = try reader.text(limit: 16)
            guard let hash = DigestAlgorithm(rawValue: hashName) else {
                throw SSHFormatError(subject, "hash '\(hashName)' is not sha256 or sha512")
            }
            let inner = try SSHKeySignature(blob: try reader.string(limit: SSHKeySignature.byteLimit))
            guard let whole = SSHSignature(publicKey: key, namespace: namespace, hash: hash, signature: inner) else {
                throw SSHFormatError(subject, "its namespace is empty, or its algorithm is not one of its key")
            }
            return whole
        }
    }

    /// The binary form.
    public var blob: [UInt8] {
        var writer = ByteWriter()
        writer.raw(Self.magic)
        writer.uint32(1)
        writer.string(publicKey.blob)
        writer.string(namespace)
        writer.string([])
        writer.string(hash.rawValue)
        writer.string(signature.blob)
        return writer.bytes
    }

    /// What a key signs so that it becomes an SSHSIG signature over `message`.
    public static func signedData(message: [UInt8], namespace: String, hash: DigestAlgorithm) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(magic)
        writer.string(namespace)
        writer.string([])
        writer.string(hash.rawValue)
        writer.string(Digest.of(message, hash))
        return writer.bytes
    }

    /// Whether `publicKey` signed `message` in exactly `namespace`.
    ///
    /// Whose key it is, and whether it counts today, is the caller's question. `requireTouch` binds security keys only.
    public func verify(message: [UInt8], namespace: String, requireTouch: Bool = true) -> SSHSignatureVerdict {
        guard self.namespace.utf8.elementsEqual(namespace.utf8) else { return .otherNamespace(self.namespace) }
        let data = Self.signedData(message: message, namespace: namespace, hash: hash)
        return signature.verify(data: data, key: publicKey, requireTouch: requireTouch)
    }

    private static let magic = Array("SSHSIG".utf8)
}
