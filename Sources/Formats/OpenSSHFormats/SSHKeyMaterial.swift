import ByteCoding
import SignatureVerification

extension SSHPublicKey.Material {
    init(_ reader: inout ByteReader) throws {
        let name = try reader.text(limit: 64)
        guard let kind = SSHKeyKind(rawValue: name) else {
            throw SSHFormatError("SSH public key", "key type '\(name)' is not accepted")
        }
        try self.init(fieldsOf: kind, &reader)
    }

    /// Reads what follows the type's name: here in a public key, and in a certificate, where the nonce stands between.
    init(fieldsOf kind: SSHKeyKind, _ reader: inout ByteReader) throws {
        switch kind {
        case .ed25519:
            self = .ed25519(try Self.ed25519Key(&reader))
        case .skEd25519:
            self = .skEd25519(try Self.ed25519Key(&reader), application: try Self.application(&reader))
        case .ecdsaP256:
            self = .ecdsaP256(point: try Self.point(&reader))
        case .skECDSAP256:
            self = .skECDSAP256(point: try Self.point(&reader), application: try Self.application(&reader))
        case .rsa:
            let limit = RSA.modulusBits.upperBound / 8
            let exponent = try MultiplePrecisionInteger.read(&reader, limit: 8)
            let modulus = try MultiplePrecisionInteger.read(&reader, limit: limit)
            try Self.check(exponent: exponent, modulus: modulus)
            self = .rsa(exponent: exponent, modulus: modulus)
        }
    }

    /// Writes what follows the type's name.
    func writeFields(to writer: inout ByteWriter) {
        switch self {
        case .ed25519(let key): writer.string(key)
        case .skEd25519(let key, let application):
            writer.string(key)
            writer.string(application)
        case .ecdsaP256(let point):
            writer.string(Self.curve)
            writer.string(point)
        case .skECDSAP256(let point, let application):
            writer.string(Self.curve)
            writer.string(point)
            writer.string(application)
        case .rsa(let exponent, let modulus):
            MultiplePrecisionInteger.write(exponent, to: &writer)
            MultiplePrecisionInteger.write(modulus, to: &writer)
        }
    }

    private static let curve = "nistp256"

    private static func ed25519Key(_ reader: inout ByteReader) throws -> [UInt8] {
        let key = try reader.string(limit: Ed25519.publicKeyLength)
        guard key.count == Ed25519.publicKeyLength else {
            throw SSHFormatError("SSH public key", "an Ed25519 key has 32 bytes, found \(key.count)")
        }
        return key
    }

    private static func point(_ reader: inout ByteReader) throws -> [UInt8] {
        guard try reader.text(limit: 32) == curve else {
            throw SSHFormatError("SSH public key", "curve is not nistp256")
        }
        let point = try reader.string(limit: 65)
        guard ECDSAP256.isPoint(point) else {
            throw SSHFormatError("SSH public key", "is not an uncompressed point of nistp256")
        }
        return point
    }

    /// FIDO2's relying party, `ssh:` as ssh-keygen makes keys.
    private static func application(_ reader: inout ByteReader) throws -> String {
        let application = try reader.text(limit: 255)
        guard !application.isEmpty else { throw SSHFormatError("SSH public key", "application is empty") }
        return application
    }

    private static func check(exponent: [UInt8], modulus: [UInt8]) throws {
        let bits = MultiplePrecisionInteger.bitCount(modulus)
        guard RSA.modulusBits.contains(bits) else {
            throw SSHFormatError("SSH public key", "an RSA key of \(bits) bits is not accepted (2048 to 8192 are)")
        }
        guard let last = exponent.last, last & 1 == 1, exponent != [1] else {
            throw SSHFormatError("SSH public key", "the RSA exponent is not an odd number above 1")
        }
    }
}
