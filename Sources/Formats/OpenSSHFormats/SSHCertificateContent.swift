import ByteCoding

/// What a certificate's CA signs, checked to be what every reader takes the same way.
///
/// Stricter than OpenSSH, which takes an empty nonce (predictable bytes to sign), unsorted or doubled options, an empty list
/// of principals (some `cert-authority` lines then let anyone in) and commas in principals (CVE-2026-35414).
public struct SSHCertificateContent: Hashable, Sendable {
    /// Whom a certificate is for.
    public enum Kind: UInt32, Hashable, Sendable {
        case user = 1
        case host = 2
    }

    /// Bytes of a nonce.
    public static let nonceLength = 32
    /// Most principals.
    public static let principalLimit = 256
    /// Most bytes of a principal: a host's name has at most 253.
    public static let principalByteLimit = 255
    /// Most bytes of a key ID, so that sshd's log lines, at most 1024 bytes, are not cut.
    public static let keyIDLimit = 512
    /// Most critical options, and most extensions.
    public static let optionLimit = 64

    /// Random bytes that make what is signed unpredictable.
    public let nonce: [UInt8]
    /// The key that the certificate is about.
    public let publicKey: SSHPublicKey
    /// The CA's number for it; 0 cannot be revoked.
    public let serial: UInt64
    /// Whom it is for.
    public let kind: Kind
    /// What the CA calls it; sshd logs it.
    public let keyID: String
    /// The accounts or host names that it is good for; never empty.
    public let principals: [String]
    /// The first second, since 1970, in which it is good.
    public let validAfter: UInt64
    /// The first second in which it is good no more; the largest number means for ever.
    public let validBefore: UInt64
    /// What a server must understand and enforce, or refuse, in the order of the names' bytes.
    public let criticalOptions: [SSHCertificateOption]
    /// What a server may ignore, in the order of the names' bytes.
    public let extensions: [SSHCertificateOption]
    /// The key that signs.
    public let authority: SSHPublicKey

    /// A content of these parts; the error says which part no certificate may have.
    public init(
        nonce: [UInt8],
        publicKey: SSHPublicKey,
        serial: UInt64,
        kind: Kind,
        keyID: String,
        principals: [String],
        validAfter: UInt64,
        validBefore: UInt64,
        criticalOptions: [SSHCertificateOption],
        extensions: [SSHCertificateOption],
        authority: SSHPublicKey
    ) throws(SSHFormatError) {
        self.nonce = nonce
        self.publicKey = publicKey
        self.serial = serial
        self.kind = kind
        self.keyID = keyID
        self.principals = principals
        self.validAfter = validAfter
        self.validBefore = validBefore
        self.criticalOptions = criticalOptions
        self.extensions = extensions
        self.authority = authority
        try check()
    }

    /// The critical option or extension of that name.
    public func criticalOption(_ name: String) -> SSHCertificateOption? {
        criticalOptions.first { $0.name.utf8.elementsEqual(name.utf8) }
    }

    /// The extension of that name.
    public func `extension`(_ name: String) -> SSHCertificateOption? {
        extensions.first { $0.name.utf8.elementsEqual(name.utf8) }
    }

    /// The command that runs whatever the user asks for; nil where the user may choose.
    public var forceCommand: String? { criticalOption(SSHCertificateOption.forceCommand)?.text }

    /// Where the user may come from; nil for anywhere.
    public var sourceAddresses: [AddressBlock]? {
        criticalOption(SSHCertificateOption.sourceAddress)?.text.flatMap { AddressBlock.list($0) }
    }

    /// Whether it is good at a moment: not before the first second, and no more in the last.
    public func isValid(at time: UTCTime) -> Bool {
        guard time.seconds >= 0 else { return false }
        return (validAfter..<validBefore).contains(UInt64(time.seconds))
    }

    /// Whether it is good for this account or host name, which is compared byte by byte.
    public func names(_ principal: String) -> Bool {
        principals.contains { $0.utf8.elementsEqual(principal.utf8) }
    }

    /// The bytes that the CA signs: everything of the certificate but the signature.
    public var signedBytes: [UInt8] {
        var writer = ByteWriter(capacity: 1024 + extensions.reduce(0) { $0 + $1.data.count })
        writer.string(publicKey.kind.certificateName)
        writer.string(nonce)
        publicKey.material.writeFields(to: &writer)
        writer.uint64(serial)
        writer.uint32(kind.rawValue)
        writer.string(keyID)
        writer.uint32(UInt32(principals.reduce(0) { $0 + 4 + $1.utf8.count }))
        for principal in principals { writer.string(principal) }
        writer.uint64(validAfter)
        writer.uint64(validBefore)
        Self.write(criticalOptions, to: &writer)
        Self.write(extensions, to: &writer)
        writer.uint32(0)
        writer.string(authority.blob)
        return writer.bytes
    }

    private static func write(_ options: [SSHCertificateOption], to writer: inout ByteWriter) {
        writer.uint32(UInt32(options.reduce(0) { $0 + 8 + $1.name.utf8.count + $1.data.count }))
        for option in options {
            writer.string(option.name)
            writer.string(option.data)
        }
    }
}
