import Crypto
import CryptoExtras
import FoundationEssentials

/// RSA signatures of keys of 2048 to 8192 bits; a larger key would let a stranger choose our CPU time.
public enum RSA {
    /// Bits of a modulus that is accepted.
    public static let modulusBits = 2048...8192

    /// RSASSA-PSS with MGF1 and a salt as long as the digest: TUF's `rsassa-pss-sha256`.
    public static func verifyPSS(
        signature: [UInt8],
        message: [UInt8],
        pem: String,
        digest: DigestAlgorithm = .sha256
    ) -> Bool {
        guard let key = key(pem: pem) else { return false }
        return verify(signature, message, key, digest, .PSS)
    }

    /// RSASSA-PKCS1-v1_5 with a PEM key.
    public static func verifyPKCS1(
        signature: [UInt8],
        message: [UInt8],
        pem: String,
        digest: DigestAlgorithm
    ) -> Bool {
        guard let key = key(pem: pem) else { return false }
        return verify(signature, message, key, digest, .insecurePKCS1v1_5)
    }

    /// RSASSA-PKCS1-v1_5 with a key of two unsigned big-endian numbers, as OpenSSH carries it (`rsa-sha2-256`, `-512`).
    public static func verifyPKCS1(
        signature: [UInt8],
        message: [UInt8],
        modulus: [UInt8],
        exponent: [UInt8],
        digest: DigestAlgorithm
    ) -> Bool {
        guard modulus.count <= modulusBits.upperBound / 8, exponent.count <= 8,
            let key = try? Key(n: modulus, e: exponent), modulusBits.contains(key.keySizeInBits)
        else { return false }
        return verify(signature, message, key, digest, .insecurePKCS1v1_5)
    }

    /// Whether `pem` is an RSA public key of an accepted size.
    public static func isKey(pem: String) -> Bool {
        key(pem: pem) != nil
    }

    private typealias Key = _RSA.Signing.PublicKey

    private static func key(pem: String) -> Key? {
        guard pem.utf8.count <= 8192, let key = try? Key(pemRepresentation: pem),
            modulusBits.contains(key.keySizeInBits)
        else { return nil }
        return key
    }

    private static func verify(
        _ signature: [UInt8],
        _ message: [UInt8],
        _ key: Key,
        _ digest: DigestAlgorithm,
        _ padding: _RSA.Signing.Padding
    ) -> Bool {
        guard signature.count == (key.keySizeInBits + 7) / 8 else { return false }
        let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
        return switch digest {
        case .sha256: key.isValidSignature(signature, for: SHA256.hash(data: message), padding: padding)
        case .sha512: key.isValidSignature(signature, for: SHA512.hash(data: message), padding: padding)
        }
    }
}
