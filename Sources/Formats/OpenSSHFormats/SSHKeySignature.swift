import ByteCoding
import SignatureVerification

/// How a key signs; RSA with SHA-1 (`ssh-rsa`) is not among them.
public enum SSHSignatureAlgorithm: String, Sendable, Hashable, CaseIterable {
    case ed25519 = "ssh-ed25519"
    case ecdsaP256 = "ecdsa-sha2-nistp256"
    case skEd25519 = "sk-ssh-ed25519@openssh.com"
    case skECDSAP256 = "sk-ecdsa-sha2-nistp256@openssh.com"
    case rsaSHA256 = "rsa-sha2-256"
    case rsaSHA512 = "rsa-sha2-512"

    /// The only kind of key that signs so.
    public var keyKind: SSHKeyKind {
        switch self {
        case .ed25519: .ed25519
        case .ecdsaP256: .ecdsaP256
        case .skEd25519: .skEd25519
        case .skECDSAP256: .skECDSAP256
        case .rsaSHA256, .rsaSHA512: .rsa
        }
    }
}

/// What a signature check found.
public enum SSHSignatureVerdict: Sendable, Equatable {
    /// Made by the key, over exactly this message, in exactly this namespace.
    case valid
    /// Not made by the key over this message.
    case invalid
    /// Made in another namespace than the expected one, whatever else it is.
    case otherNamespace(String)
    /// Genuine, but nobody touched the security key: `ssh-keygen -Y verify` would accept it, we do not.
    case untouched
}

/// The signature that a key makes, as an agent returns it and SSHSIG carries it.
///
/// ```
/// string algorithm | string signature                      Ed25519: 64 bytes; RSA: as long as the modulus
/// string algorithm | string (mpint r | mpint s)            ECDSA
/// string algorithm | string as above | byte flags | u32 counter      sk-; flags bit 0: touched, bit 2: user verified
/// ```
public struct SSHKeySignature: Hashable, Sendable {
    /// What an authenticator says about a signature.
    public struct Presence: Hashable, Sendable {
        /// FIDO2's flags.
        public let flags: UInt8
        /// Rises with each signature of the authenticator.
        public let counter: UInt32

        /// Presence as an authenticator states it.
        public init(flags: UInt8, counter: UInt32) {
            self.flags = flags
            self.counter = counter
        }

        /// Whether somebody touched the authenticator.
        public var touched: Bool { flags & 1 != 0 }
    }

    /// Most bytes of an encoded signature.
    public static let byteLimit = 2048

    /// How it was made.
    public let algorithm: SSHSignatureAlgorithm
    /// The inner signature, in the algorithm's own encoding.
    public let signature: [UInt8]
    /// What the authenticator says; nil for keys that are none.
    public let presence: Presence?

    /// A signature of these parts; nil unless `presence` is there exactly for security keys.
    public init?(algorithm: SSHSignatureAlgorithm, signature: [UInt8], presence: Presence? = nil) {
        guard (presence != nil) == algorithm.keyKind.isSecurityKey else { return nil }
        self.algorithm = algorithm
        self.signature = signature
        self.presence = presence
    }

    /// Parses an encoded signature.
    public init(blob: [UInt8]) throws(SSHFormatError) {
        let subject = "SSH signature"
        self = try SSHFormatError.reading(subject, blob, limit: Self.byteLimit) { reader in
            let name = try reader.text(limit: 64)
            guard let algorithm = SSHSignatureAlgorithm(rawValue: name) else {
                throw SSHFormatError(subject, "algorithm '\(name)' is not accepted")
            }
            let inner = try reader.string(limit: RSA.modulusBits.upperBound / 8)
            var presence: Presence?
            if algorithm.keyKind.isSecurityKey {
                presence = Presence(flags: try reader.byte(), counter: try reader.uint32())
            }
            guard let signature = SSHKeySignature(algorithm: algorithm, signature: inner, presence: presence) else {
                throw SSHFormatError(subject, "flags and counter do not fit the algorithm")
            }
            return signature
        }
    }

    /// The encoded signature.
    public var blob: [UInt8] {
        var writer = ByteWriter(capacity: byteCount)
        write(to: &writer)
        return writer.bytes
    }

    /// How long the encoded signature is.
    var byteCount: Int { 8 + algorithm.rawValue.utf8.count + signature.count + (presence == nil ? 0 : 5) }

    func write(to writer: inout ByteWriter) {
        writer.string(algorithm.rawValue)
        writer.string(signature)
        if let presence {
            writer.byte(presence.flags)
            writer.uint32(presence.counter)
        }
    }

    /// Whether `key` made this signature over `data`; with `requireTouch`, a security key must have been touched.
    public func verify(data: [UInt8], key: SSHPublicKey, requireTouch: Bool) -> SSHSignatureVerdict {
        guard algorithm.keyKind == key.kind, isGenuine(data, key) else { return .invalid }
        if requireTouch, let presence, !presence.touched { return .untouched }
        return .valid
    }

    private func isGenuine(_ data: [UInt8], _ key: SSHPublicKey) -> Bool {
        switch key.material {
        case .ed25519(let publicKey):
            return Ed25519.verify(signature: signature, message: data, publicKey: publicKey)
        case .ecdsaP256(let point):
            return verifyECDSA(data, point)
        case .skEd25519(let publicKey, let application):
            guard let message = authenticatorData(data, application) else { return false }
            return Ed25519.verify(signature: signature, message: message, publicKey: publicKey)
        case .skECDSAP256(let point, let application):
            guard let message = authenticatorData(data, application) else { return false }
            return verifyECDSA(message, point)
        case .rsa(let exponent, let modulus):
            let digest: DigestAlgorithm = algorithm == .rsaSHA512 ? .sha512 : .sha256
            return RSA.verifyPKCS1(
                signature: signature,
                message: data,
                modulus: modulus,
                exponent: exponent,
                digest: digest
            )
        }
    }

    /// What an authenticator signs: `SHA256(application) | flags | u32 counter | SHA256(data)`.
    private func authenticatorData(_ data: [UInt8], _ application: String) -> [UInt8]? {
        guard let presence else { return nil }
        var writer = ByteWriter()
        writer.raw(Digest.sha256(Array(application.utf8)))
        writer.byte(presence.flags)
        writer.uint32(presence.counter)
        writer.raw(Digest.sha256(data))
        return writer.bytes
    }

    private func verifyECDSA(_ data: [UInt8], _ point: [UInt8]) -> Bool {
        let pair = try? SSHFormatError.reading("ECDSA signature", signature, limit: 80) { reader in
            (
                try MultiplePrecisionInteger.read(&reader, limit: 32),
                try MultiplePrecisionInteger.read(&reader, limit: 32)
            )
        }
        guard let (r, s) = pair, let paddedR = MultiplePrecisionInteger.padded(r, to: 32),
            let paddedS = MultiplePrecisionInteger.padded(s, to: 32)
        else { return false }
        return ECDSAP256.verify(r: paddedR, s: paddedS, message: data, point: point)
    }
}
