import ByteCoding
import Crypto
import FoundationEssentials
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification

/// A key in software that signs as each kind of OpenSSH key does, security keys included.
enum SyntheticKey {
    case ed25519(TestKey)
    case ecdsa(P256.Signing.PrivateKey)
    case skEd25519(TestKey)
    case skECDSA(P256.Signing.PrivateKey)

    static var all: [SyntheticKey] {
        [
            .ed25519(TestKey("a")), .ecdsa(P256.Signing.PrivateKey()), .skEd25519(TestKey("b")),
            .skECDSA(P256.Signing.PrivateKey()),
        ]
    }

    static let application = "ssh:"

    var publicKey: SSHPublicKey {
        get throws {
            var writer = ByteWriter()
            switch self {
            case .ed25519(let key):
                writer.string(SSHKeyKind.ed25519.rawValue)
                writer.string(key.publicKey)
            case .skEd25519(let key):
                writer.string(SSHKeyKind.skEd25519.rawValue)
                writer.string(key.publicKey)
                writer.string(Self.application)
            case .ecdsa(let key):
                writer.string(SSHKeyKind.ecdsaP256.rawValue)
                writer.string("nistp256")
                writer.string(Array(key.publicKey.x963Representation))
            case .skECDSA(let key):
                writer.string(SSHKeyKind.skECDSAP256.rawValue)
                writer.string("nistp256")
                writer.string(Array(key.publicKey.x963Representation))
                writer.string(Self.application)
            }
            return try SSHPublicKey(blob: writer.bytes)
        }
    }

    /// An SSHSIG blob; `flags` are what a security key says: 1 means touched.
    func signature(_ message: [UInt8], namespace: String, flags: UInt8 = 1) throws -> SSHSignature {
        let data = SSHSignature.signedData(message: message, namespace: namespace, hash: .sha512)
        let presence = SSHKeySignature.Presence(flags: flags, counter: 7)
        let inner: SSHKeySignature? =
            switch self {
            case .ed25519(let key): SSHKeySignature(algorithm: .ed25519, signature: key.sign(data))
            case .ecdsa(let key): SSHKeySignature(algorithm: .ecdsaP256, signature: try numbers(key, data))
            case .skEd25519(let key):
                SSHKeySignature(
                    algorithm: .skEd25519,
                    signature: key.sign(authenticated(data, presence)),
                    presence: presence
                )
            case .skECDSA(let key):
                SSHKeySignature(
                    algorithm: .skECDSAP256,
                    signature: try numbers(key, authenticated(data, presence)),
                    presence: presence
                )
            }
        guard let inner,
            let whole = SSHSignature(publicKey: try publicKey, namespace: namespace, hash: .sha512, signature: inner)
        else { throw SSHFormatError("synthetic key", "cannot sign") }
        return whole
    }

    private func authenticated(_ data: [UInt8], _ presence: SSHKeySignature.Presence) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(SignatureVerification.Digest.sha256(Array(Self.application.utf8)))
        writer.byte(presence.flags)
        writer.uint32(presence.counter)
        writer.raw(SignatureVerification.Digest.sha256(data))
        return writer.bytes
    }

    private func numbers(_ key: P256.Signing.PrivateKey, _ data: [UInt8]) throws -> [UInt8] {
        let raw = Array(try key.signature(for: data).rawRepresentation)
        var writer = ByteWriter()
        for half in [raw.prefix(32), raw.suffix(32)] {
            let digits = half.drop { $0 == 0 }
            writer.string((digits.first ?? 0) >= 0x80 ? [0] + digits : Array(digits))
        }
        return writer.bytes
    }
}
