import ByteCoding

/// The text of an unencrypted OpenSSH private key file (OpenSSH's PROTOCOL.key), for a file that only its owner may read.
///
/// ```
/// "openssh-key-v1\0" | string "none" | string "none" | string "" | u32 1 | string public key | string private part
/// private part: u32 check | u32 check | string "ssh-ed25519" | string public | string seed and public | string comment | 1 2 3 …
/// ```
/// In base64 between the usual two lines. Only Ed25519 and only without a passphrase: such a file holds a key that lives as
/// long as its certificate; keys that live longer belong in an agent.
public struct SSHPrivateKeyFile: Hashable, Sendable {
    /// Most bytes of a file.
    public static let byteLimit = 4096
    /// Most bytes of a comment.
    public static let commentLimit = 512

    /// The key.
    public let key: SSHPrivateKey
    /// What its owner calls it.
    public let comment: String
    /// Any number; OpenSSH takes a random one, to see whether a passphrase fits.
    public let check: UInt32

    /// A file of these parts; the error says which does not fit.
    public init(key: SSHPrivateKey, comment: String, check: UInt32) throws(SSHFormatError) {
        guard comment.utf8.count <= Self.commentLimit, !comment.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw SSHFormatError(Self.subject, "its comment is too long or not plain text")
        }
        self.key = key
        self.comment = comment
        self.check = check
    }

    /// Parses a file's text.
    public init(text: [UInt8]) throws(SSHFormatError) {
        let blob = try SSHArmor(label: Self.label, columns: Self.columns).decode(text, Self.subject, Self.byteLimit)
        self = try SSHFormatError.reading(Self.subject, blob, limit: Self.byteLimit) { reader in
            guard try reader.bytes(Self.magic.count) == Self.magic else {
                throw SSHFormatError(Self.subject, "does not begin with openssh-key-v1")
            }
            guard try reader.text(limit: 64) == "none", try reader.text(limit: 64) == "none",
                try reader.string(limit: 1024).isEmpty
            else { throw SSHFormatError(Self.subject, "has a passphrase") }
            guard try reader.uint32() == 1 else { throw SSHFormatError(Self.subject, "holds not exactly one key") }
            let publicKey = try SSHPublicKey(blob: try reader.string(limit: SSHPublicKey.blobLimit))
            return try Self.privatePart(try reader.string(limit: Self.byteLimit), publicKey)
        }
    }

    /// The file's text: a secret.
    public var text: [UInt8] {
        var writer = ByteWriter(capacity: 512)
        writer.raw(Self.magic)
        writer.string("none")
        writer.string("none")
        writer.uint32(0)
        writer.uint32(1)
        writer.string(key.publicKey.blob)
        writer.string(privatePart)
        return SSHArmor(label: Self.label, columns: Self.columns).encode(writer.bytes)
    }

    private static let subject = "OpenSSH private key file"
    private static let label = "OPENSSH PRIVATE KEY"
    private static let columns = 70
    private static let magic = Array("openssh-key-v1\0".utf8)
    /// What the private part's length is a multiple of when nothing encrypts it.
    private static let blockLength = 8

    private var privatePart: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.uint32(check)
        writer.uint32(check)
        writer.string(SSHKeyKind.ed25519.rawValue)
        writer.string(Array(key.secret[SSHPrivateKey.seedLength...]))
        writer.string(key.secret)
        writer.string(comment)
        var padding: UInt8 = 1
        while writer.bytes.count % Self.blockLength != 0 {
            writer.byte(padding)
            padding += 1
        }
        return writer.bytes
    }

    private static func privatePart(_ bytes: [UInt8], _ publicKey: SSHPublicKey) throws -> SSHPrivateKeyFile {
        var reader = ByteReader(bytes)
        let check = try reader.uint32()
        guard try reader.uint32() == check else { throw SSHFormatError(subject, "its two check numbers differ") }
        guard try reader.text(limit: 64) == SSHKeyKind.ed25519.rawValue,
            case .ed25519(let key) = publicKey.material, try reader.string(limit: 32) == key
        else { throw SSHFormatError(subject, "holds no Ed25519 key, or another one than it says") }
        let secret = try SSHPrivateKey(publicKey: publicKey, secret: try reader.string(limit: 64))
        let comment = try reader.text(limit: commentLimit)
        let padding = try reader.bytes(reader.remaining)
        guard padding.count < blockLength, bytes.count % blockLength == 0,
            padding.elementsEqual((0..<padding.count).map { UInt8($0 + 1) })
        else { throw SSHFormatError(subject, "is not padded as it should be") }
        return try SSHPrivateKeyFile(key: secret, comment: comment, check: check)
    }
}
