import ByteCoding
import CSodium
import MusterKeys
import OpenSSHFormats

/// An Ed25519 key and the certificate for it, in memory only and wiped when nobody refers to it any more.
public final class RemoteIdentity: Sendable, CustomStringConvertible {
    /// The key's OpenSSH file and a zero byte, as libssh reads it.
    let keyText: SecretBytes
    /// The certificate in base64.
    let certificateText: String

    /// An identity; an error where the certificate is not for the key.
    public init(_ key: Ed25519SecretKey, certificate: SSHCertificate) throws(RemoteShellError) {
        do throws(SSHFormatError) {
            let publicKey = try SSHPublicKey(ed25519: key.publicKey)
            guard certificate.content.publicKey == publicKey, certificate.content.kind == .user else {
                throw SSHFormatError("certificate", "it is not a user certificate for the key")
            }
            keyText = try Self.text(key, publicKey)
            certificateText = Base64.encode(certificate.blob)
        } catch {
            throw RemoteShellError(.identity, "cannot log in with that key and certificate: \(error.reason)")
        }
    }

    /// Never the secret.
    public var description: String { "(key and certificate)" }

    private static func text(
        _ key: Ed25519SecretKey,
        _ publicKey: SSHPublicKey
    ) throws(SSHFormatError) -> SecretBytes {
        var seed = key.withSeed { Array(UnsafeBufferPointer(start: $0, count: SSHPrivateKey.seedLength)) }
        defer { sodium_memzero(&seed, seed.count) }
        var secret = try SSHPrivateKey(seed: seed, publicKey: key.publicKey)
        defer { secret.wipe() }
        var text = try SSHPrivateKeyFile(key: secret, comment: "", check: 0).text
        text.append(0)
        return SecretBytes(wiping: &text)
    }
}
