import ByteCoding

/// A key, alone or with a certificate, that an agent is asked to hold.
///
/// ```
/// 17 or 25 | string "ssh-ed25519" | string public | string seed and public | string comment | constraints
/// 17 or 25 | string "ssh-ed25519-cert-v01@openssh.com" | string certificate | string public | string seed and public | …
/// constraints (25 only): 1 u32 seconds: forgets the key by itself | 2: asks before each use
/// ```
public struct SSHAgentAddition: Hashable, Sendable {
    /// Most bytes of a comment.
    public static let commentLimit = 512

    /// The key.
    public let key: SSHPrivateKey
    /// Its certificate; nil to add the plain key.
    ///
    /// An agent holds each as an identity of its own.
    public let certificate: SSHCertificate?
    /// What its owner calls it.
    public let comment: String
    /// After how many seconds the agent forgets it; nil for never.
    public let lifetime: UInt32?
    /// Whether the agent asks before each use.
    public let confirm: Bool

    /// An addition of these parts; the error says which does not fit.
    public init(
        key: SSHPrivateKey,
        certificate: SSHCertificate? = nil,
        comment: String,
        lifetime: UInt32?,
        confirm: Bool = false
    ) throws(SSHFormatError) {
        guard certificate == nil || certificate?.content.publicKey == key.publicKey else {
            throw SSHFormatError(Self.subject, "the certificate is for another key")
        }
        guard comment.utf8.count <= Self.commentLimit, lifetime != 0 else {
            throw SSHFormatError(Self.subject, "its comment is too long, or its lifetime is 0")
        }
        self.key = key
        self.certificate = certificate
        self.comment = comment
        self.lifetime = lifetime
        self.confirm = confirm
    }

    private static let subject = "ssh-agent addition"

    var isConstrained: Bool { lifetime != nil || confirm }

    func write(to writer: inout ByteWriter) {
        if let certificate {
            writer.string(certificate.typeName)
            writer.string(certificate.blob)
        } else {
            writer.string(SSHKeyKind.ed25519.rawValue)
        }
        writer.string(Array(key.secret[SSHPrivateKey.seedLength...]))
        writer.string(key.secret)
        writer.string(comment)
        if let lifetime {
            writer.byte(1)
            writer.uint32(lifetime)
        }
        if confirm { writer.byte(2) }
    }

    init(_ reader: inout ByteReader, constrained: Bool) throws {
        let type = try reader.text(limit: 64)
        var certificate: SSHCertificate?
        if type == SSHKeyKind.ed25519.certificateName {
            certificate = try SSHCertificate(blob: try reader.string(limit: SSHCertificate.byteLimit))
        } else if type != SSHKeyKind.ed25519.rawValue {
            throw SSHFormatError(Self.subject, "type '\(type)' is not accepted")
        }
        let publicKey = try SSHPublicKey(ed25519: try reader.string(limit: 32))
        let key = try SSHPrivateKey(publicKey: publicKey, secret: try reader.string(limit: 64))
        let comment = try reader.text(limit: Self.commentLimit)
        let (lifetime, confirm) = try Self.constraints(&reader)
        try self.init(key: key, certificate: certificate, comment: comment, lifetime: lifetime, confirm: confirm)
        guard isConstrained == constrained else {
            throw SSHFormatError(Self.subject, "its type and its constraints do not fit each other")
        }
    }

    /// In the one order in which they are written, so that each addition has one encoding.
    private static func constraints(_ reader: inout ByteReader) throws -> (UInt32?, Bool) {
        var lifetime: UInt32?
        var confirm = false
        while reader.remaining > 0 {
            switch try reader.byte() {
            case 1 where lifetime == nil && !confirm: lifetime = try reader.uint32()
            case 2 where !confirm: confirm = true
            case let type: throw SSHFormatError(subject, "constraint \(type) is not accepted here")
            }
        }
        return (lifetime, confirm)
    }
}
