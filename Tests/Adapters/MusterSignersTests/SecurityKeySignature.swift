import ByteCoding
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification

extension TestKey {
    /// What a FIDO2 key with this Ed25519 key would sign; `flags` 1 means touched.
    func securityKeySignature(_ message: [UInt8], namespace: String, flags: UInt8) throws -> SSHSignature {
        var key = ByteWriter()
        key.string(SSHKeyKind.skEd25519.rawValue)
        key.string(publicKey)
        key.string("ssh:")
        var data = ByteWriter()
        data.raw(Digest.sha256(Array("ssh:".utf8)))
        data.byte(flags)
        data.uint32(1)
        data.raw(Digest.sha256(SSHSignature.signedData(message: message, namespace: namespace, hash: .sha512)))
        let presence = SSHKeySignature.Presence(flags: flags, counter: 1)
        guard
            let inner = SSHKeySignature(algorithm: .skEd25519, signature: sign(data.bytes), presence: presence),
            let whole = SSHSignature(
                publicKey: try SSHPublicKey(blob: key.bytes),
                namespace: namespace,
                hash: .sha512,
                signature: inner
            )
        else { throw SSHFormatError("test key", "cannot sign") }
        return whole
    }
}
