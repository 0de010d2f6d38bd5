import ByteCoding
import OpenSSHFormats

/// What the service adds to every certificate.
public struct CertificateStamp: Hashable, Sendable {
    /// From the one stored sequence of both CAs, from 1 on; on disk before the certificate leaves.
    public let serial: UInt64
    /// 32 random bytes.
    public let nonce: [UInt8]
    /// Now.
    public let time: UTCTime
    /// The CA's key.
    public let authority: SSHPublicKey

    /// A stamp of these parts.
    public init(serial: UInt64, nonce: [UInt8], time: UTCTime, authority: SSHPublicKey) {
        self.serial = serial
        self.nonce = nonce
        self.time = time
        self.authority = authority
    }
}

/// A certificate that lacks only its CA's signature.
public struct UnsignedCertificate: Hashable, Sendable {
    /// What it says.
    public let content: SSHCertificateContent
    /// What the CA's signer signs.
    public let bytes: [UInt8]

    init(_ content: SSHCertificateContent) {
        self.content = content
        bytes = content.signedBytes
    }

    /// The certificate with the CA's plain Ed25519 signature over `bytes`, 64 bytes.
    ///
    /// The signature is not verified again: the signer's word for it is the service's own.
    public func signed(_ signature: [UInt8]) throws(CertificateRefusal) -> SSHCertificate {
        guard signature.count == 64, let parts = SSHKeySignature(algorithm: .ed25519, signature: signature) else {
            throw CertificateRefusal(.badSignature, "the CA's signature has \(signature.count) bytes, not 64")
        }
        guard let certificate = SSHCertificate(content, signedBytes: bytes, signature: parts) else {
            throw CertificateRefusal(
                .malformed,
                "the certificate is longer than \(SSHCertificate.byteLimit) bytes, or its CA's key is not Ed25519: "
                    + "shorten the statement's list of nodes"
            )
        }
        return certificate
    }
}
