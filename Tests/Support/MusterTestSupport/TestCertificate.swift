import ByteCoding
import CanonicalJSON
import MusterModel
import OpenSSHFormats
import SignatureVerification

/// A certificate whose every part can be changed before its CA signs it: what an honest service makes, and a thief of the
/// CA's key could.
public struct TestCertificate: Sendable {
    /// The CA's key.
    public var authority = TestKey("user-ca")
    /// The key that it is about.
    public var publicKey: SSHPublicKey
    /// Its serial.
    public var serial: UInt64 = 1
    /// Whom it is for.
    public var kind = SSHCertificateContent.Kind.user
    /// What it is called.
    public var keyID = "test"
    /// Accounts or names.
    public var principals = ["deploy"]
    /// Its first second.
    public var validAfter: UInt64
    /// The first second after it.
    public var validBefore: UInt64
    /// Options that must be understood; put in order by `content`.
    public var criticalOptions = [SSHCertificateOption.value(SSHCertificateOption.sourceAddress, "127.0.0.1/32")]
    /// Options that may be ignored; put in order by `content`.
    public var extensions: [SSHCertificateOption] = []

    /// A user certificate that is good from `time`, backdated, for `seconds`.
    public init(_ publicKey: SSHPublicKey, time: UTCTime, seconds: Int64 = 3600) {
        self.publicKey = publicKey
        validAfter = UInt64(time.seconds - SSHCertificateBody.backdating)
        validBefore = UInt64(time.seconds + seconds)
    }

    /// Carries the statement, as the service would.
    public mutating func carry(_ statement: SignedStatement) {
        extensions.removeAll { $0.name == SSHCertificateBody.statementExtension }
        extensions.append(.value(SSHCertificateBody.statementExtension, statement.json.canonicalBytes))
    }

    /// What the CA signs; the nonce comes from the serial.
    public var content: SSHCertificateContent {
        get throws {
            try SSHCertificateContent(
                nonce: Digest.sha256(Array("nonce \(serial)".utf8)),
                publicKey: publicKey,
                serial: serial,
                kind: kind,
                keyID: keyID,
                principals: principals,
                validAfter: validAfter,
                validBefore: validBefore,
                criticalOptions: Self.ordered(criticalOptions),
                extensions: Self.ordered(extensions),
                authority: try authority.ssh
            )
        }
    }

    /// The certificate.
    public var signed: SSHCertificate {
        get throws { try authority.certify(try content) }
    }

    private static func ordered(_ options: [SSHCertificateOption]) -> [SSHCertificateOption] {
        options.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}

extension TestKey {
    /// The certificate of `content`, signed by this key, whatever CA the content names.
    public func certify(_ content: SSHCertificateContent) throws -> SSHCertificate {
        let bytes = content.signedBytes
        guard let signature = SSHKeySignature(algorithm: .ed25519, signature: sign(bytes)),
            let certificate = SSHCertificate(content, signedBytes: bytes, signature: signature)
        else { throw SSHFormatError("test certificate", "cannot be signed") }
        return certificate
    }

    /// The key as an agent or a file takes it.
    public var sshPrivate: SSHPrivateKey {
        get throws { try SSHPrivateKey(seed: seed, publicKey: publicKey) }
    }
}
