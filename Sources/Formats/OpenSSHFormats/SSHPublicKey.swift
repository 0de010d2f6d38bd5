import ByteCoding
import SignatureVerification

/// Which kind of key, by the name that OpenSSH gives it.
public enum SSHKeyKind: String, Sendable, Hashable, CaseIterable {
    case ed25519 = "ssh-ed25519"
    case ecdsaP256 = "ecdsa-sha2-nistp256"
    case skEd25519 = "sk-ssh-ed25519@openssh.com"
    case skECDSAP256 = "sk-ecdsa-sha2-nistp256@openssh.com"
    case rsa = "ssh-rsa"

    /// Whether the key lives in a FIDO2 authenticator, which signs flags and a counter beside the data.
    public var isSecurityKey: Bool { self == .skEd25519 || self == .skECDSAP256 }

    /// The name of this kind's certificates: `ssh-ed25519-cert-v01@openssh.com`.
    public var certificateName: String {
        switch self {
        case .ed25519: "ssh-ed25519-cert-v01@openssh.com"
        case .ecdsaP256: "ecdsa-sha2-nistp256-cert-v01@openssh.com"
        case .skEd25519: "sk-ssh-ed25519-cert-v01@openssh.com"
        case .skECDSAP256: "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
        case .rsa: "ssh-rsa-cert-v01@openssh.com"
        }
    }
}

/// An OpenSSH public key.
///
/// ```
/// string "ssh-ed25519" | string key (32)
/// string "ecdsa-sha2-nistp256" | string "nistp256" | string point (65, uncompressed)
/// string "sk-ssh-ed25519@openssh.com" | string key (32) | string application
/// string "sk-ecdsa-sha2-nistp256@openssh.com" | string "nistp256" | string point (65) | string application
/// string "ssh-rsa" | mpint e | mpint n
/// ```
/// Two keys are equal when their blobs are; a comment is no part of a key.
public struct SSHPublicKey: Hashable, Sendable, CustomStringConvertible {
    /// The numbers of a key.
    public enum Material: Hashable, Sendable {
        case ed25519([UInt8])
        case ecdsaP256(point: [UInt8])
        case skEd25519([UInt8], application: String)
        case skECDSAP256(point: [UInt8], application: String)
        case rsa(exponent: [UInt8], modulus: [UInt8])
    }

    /// Most bytes of a key's blob: RSA of 8192 bits fits.
    public static let blobLimit = 2048
    /// Most bytes of a key's line, its comment included.
    public static let lineLimit = 8192

    /// The numbers of the key.
    public let material: Material
    /// The wire encoding.
    public let blob: [UInt8]

    /// Parses the wire encoding.
    public init(blob: [UInt8]) throws(SSHFormatError) {
        material = try SSHFormatError.reading("SSH public key", blob, limit: Self.blobLimit) { try Material(&$0) }
        self.blob = blob
    }

    /// The Ed25519 key with these 32 bytes.
    public init(ed25519 key: [UInt8]) throws(SSHFormatError) {
        var writer = ByteWriter()
        writer.string(SSHKeyKind.ed25519.rawValue)
        writer.string(key)
        try self.init(blob: writer.bytes)
    }

    /// The key of checked numbers.
    init(material: Material) {
        self.material = material
        var writer = ByteWriter()
        writer.string(material.kind.rawValue)
        material.writeFields(to: &writer)
        blob = writer.bytes
    }

    /// Parses `ssh-ed25519 AAAA… comment`, the line of a `.pub` file; options in front are refused.
    public init(line: String) throws(SSHFormatError) {
        let subject = "SSH public key line"
        let parts = try SSHKeyLine(line, subject: subject, limit: Self.lineLimit)
        guard let kind = SSHKeyKind(rawValue: parts.type) else {
            throw SSHFormatError(subject, "key type '\(parts.type)' is not accepted")
        }
        try self.init(blob: parts.blob)
        guard self.kind == kind else {
            throw SSHFormatError(subject, "says \(kind.rawValue) but holds \(self.kind.rawValue)")
        }
    }

    /// Which kind of key it is.
    public var kind: SSHKeyKind { material.kind }

    /// The key on one line, without a comment: `ssh-ed25519 AAAA…`.
    public var line: String { kind.rawValue + " " + Base64.encode(blob) }

    /// `SHA256:` and unpadded base64 of the blob's hash, as `ssh-keygen -l` shows it.
    public var fingerprint: String {
        "SHA256:" + String(Base64.encode(Digest.sha256(blob)).prefix { $0 != "=" })
    }

    /// The kind and the fingerprint, for messages.
    public var description: String { kind.rawValue + " " + fingerprint }
}

extension SSHPublicKey.Material {
    var kind: SSHKeyKind {
        switch self {
        case .ed25519: .ed25519
        case .ecdsaP256: .ecdsaP256
        case .skEd25519: .skEd25519
        case .skECDSAP256: .skECDSAP256
        case .rsa: .rsa
        }
    }
}
