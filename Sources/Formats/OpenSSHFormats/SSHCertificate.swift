import ByteCoding

/// An OpenSSH certificate (draft-miller-ssh-cert).
///
/// ```
/// string type | string nonce | subject public key fields | u64 serial | u32 kind (1 user, 2 host) | string key ID
/// | string principals {string*} | u64 valid after | u64 valid before | string critical options {string name, string data}*
/// | string extensions {same} | string reserved "" | string CA public key | string signature {string algorithm, string blob}
/// ```
/// The signature covers everything up to and including the CA key. That it is there says nothing: ask `isGenuine`, and who
/// the CA is.
public struct SSHCertificate: Hashable, Sendable {
    /// Most bytes of a certificate: in base64 it must fit in one argument of the principals command, 128 kB on Linux.
    public static let byteLimit = 65536
    /// Most bytes of a certificate's line, its comment included.
    public static let lineLimit = 100_000

    /// What is certified.
    public let content: SSHCertificateContent
    /// What the CA signed.
    public let signedBytes: [UInt8]
    /// The CA's signature, not checked yet.
    public let signature: SSHKeySignature

    /// The certificate of a content and the CA's signature over its `signedBytes`.
    ///
    /// Nil where the CA's key cannot sign so, or the whole is too long.
    public init?(_ content: SSHCertificateContent, signedBytes: [UInt8], signature: SSHKeySignature) {
        guard signature.algorithm.keyKind == content.authority.kind,
            signedBytes.count + 4 + signature.byteCount <= Self.byteLimit
        else { return nil }
        self.content = content
        self.signedBytes = signedBytes
        self.signature = signature
    }

    /// Parses the wire encoding.
    public init(blob: [UInt8]) throws(SSHFormatError) {
        let subject = SSHCertificateContent.subject
        self = try SSHFormatError.reading(subject, blob, limit: Self.byteLimit) { reader in
            let content = try SSHCertificateContent(&reader)
            let signed = Array(blob[..<reader.offset])
            let signature = try SSHKeySignature(blob: try reader.string(limit: SSHKeySignature.byteLimit))
            guard let whole = SSHCertificate(content, signedBytes: signed, signature: signature) else {
                throw SSHFormatError(subject, "its signature's algorithm is not one of its CA's key")
            }
            return whole
        }
    }

    /// Parses `ssh-ed25519-cert-v01@openssh.com AAAA… comment`, the line of a `-cert.pub` file.
    public init(line: String) throws(SSHFormatError) {
        let subject = "SSH certificate line"
        let parts = try SSHKeyLine(line, subject: subject, limit: Self.lineLimit)
        try self.init(blob: parts.blob)
        guard typeName.utf8.elementsEqual(parts.type.utf8) else {
            throw SSHFormatError(subject, "says '\(parts.type)' but holds \(typeName)")
        }
    }

    /// The wire encoding.
    public var blob: [UInt8] {
        var writer = ByteWriter(capacity: signedBytes.count + 4 + signature.byteCount)
        writer.raw(signedBytes)
        writer.uint32(UInt32(signature.byteCount))
        signature.write(to: &writer)
        return writer.bytes
    }

    /// The type's name, `ssh-ed25519-cert-v01@openssh.com`.
    public var typeName: String { content.publicKey.kind.certificateName }

    /// The certificate on one line, without a comment.
    public var line: String { typeName + " " + Base64.encode(blob) }

    /// Whether the CA that it names made its signature.
    public var isGenuine: Bool {
        signature.verify(data: signedBytes, key: content.authority, requireTouch: false) == .valid
    }
}

extension SSHCertificateContent {
    /// Reads everything up to the signature.
    init(_ reader: inout ByteReader) throws {
        let name = try reader.text(limit: 64)
        guard let keyKind = SSHKeyKind.allCases.first(where: { $0.certificateName.utf8.elementsEqual(name.utf8) })
        else {
            throw SSHFormatError(Self.subject, "type '\(name)' is not accepted")
        }
        let nonce = try reader.string(limit: Self.nonceLength)
        let publicKey = SSHPublicKey(material: try SSHPublicKey.Material(fieldsOf: keyKind, &reader))
        let serial = try reader.uint64()
        let number = try reader.uint32()
        guard let kind = Kind(rawValue: number) else {
            throw SSHFormatError(Self.subject, "kind \(number) is neither user (1) nor host (2)")
        }
        let keyID = try reader.text(limit: Self.keyIDLimit)
        let principals = try Self.principals(try reader.string(limit: SSHCertificate.byteLimit))
        let (after, before) = (try reader.uint64(), try reader.uint64())
        let criticalOptions = try Self.options(try reader.string(limit: SSHCertificate.byteLimit))
        let extensions = try Self.options(try reader.string(limit: SSHCertificate.byteLimit))
        guard try reader.string(limit: 0).isEmpty else { throw SSHFormatError(Self.subject, "reserved is not empty") }
        try self.init(
            nonce: nonce,
            publicKey: publicKey,
            serial: serial,
            kind: kind,
            keyID: keyID,
            principals: principals,
            validAfter: after,
            validBefore: before,
            criticalOptions: criticalOptions,
            extensions: extensions,
            authority: try SSHPublicKey(blob: try reader.string(limit: SSHPublicKey.blobLimit))
        )
    }

    private static func principals(_ bytes: [UInt8]) throws -> [String] {
        var reader = ByteReader(bytes)
        var principals: [String] = []
        while reader.remaining > 0 {
            guard principals.count < principalLimit else {
                throw SSHFormatError(subject, "it has more than \(principalLimit) principals")
            }
            principals.append(try reader.text(limit: principalByteLimit))
        }
        return principals
    }

    private static func options(_ bytes: [UInt8]) throws -> [SSHCertificateOption] {
        var reader = ByteReader(bytes)
        var options: [SSHCertificateOption] = []
        while reader.remaining > 0 {
            guard options.count < optionLimit else {
                throw SSHFormatError(subject, "it has more than \(optionLimit) options in one list")
            }
            let name = try reader.text(limit: SSHCertificateOption.nameLimit)
            options.append(SSHCertificateOption(name: name, data: try reader.string(limit: SSHCertificate.byteLimit)))
        }
        return options
    }
}
