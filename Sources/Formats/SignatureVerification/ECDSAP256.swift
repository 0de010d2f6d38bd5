import Crypto
import FoundationEssentials

/// ECDSA on P-256 with SHA-256.
public enum ECDSAP256 {
    /// Whether a DER signature, as TUF and X.509 carry it, was made by the key in `pem` (SubjectPublicKeyInfo).
    public static func verify(derSignature: [UInt8], message: [UInt8], pem: String) -> Bool {
        guard pem.utf8.count <= 4096, derSignature.count <= 128,
            let key = try? P256.Signing.PublicKey(pemRepresentation: pem),
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: derSignature)
        else { return false }
        return key.isValidSignature(signature, for: message)
    }

    /// Whether the pair (r, s), 32 bytes each, was made by the key at `point` (X9.63, uncompressed), as OpenSSH has it.
    public static func verify(r: [UInt8], s: [UInt8], message: [UInt8], point: [UInt8]) -> Bool {
        guard r.count == 32, s.count == 32, point.count == 65,
            let key = try? P256.Signing.PublicKey(x963Representation: point),
            let signature = try? P256.Signing.ECDSASignature(rawRepresentation: r + s)
        else { return false }
        return key.isValidSignature(signature, for: message)
    }

    /// Whether `point` (X9.63, uncompressed: 65 bytes beginning with 4) lies on the curve.
    public static func isPoint(_ point: [UInt8]) -> Bool {
        point.count == 65 && (try? P256.Signing.PublicKey(x963Representation: point)) != nil
    }

    /// Whether `pem` is a P-256 public key.
    public static func isKey(pem: String) -> Bool {
        pem.utf8.count <= 4096 && (try? P256.Signing.PublicKey(pemRepresentation: pem)) != nil
    }
}
