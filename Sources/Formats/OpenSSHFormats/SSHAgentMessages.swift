import ByteCoding

/// What is asked of an ssh-agent (draft-miller-ssh-agent), without the 32 bits of length in front.
///
/// ```
/// 11                                               list keys
/// 13 | string key | string data | u32 flags        sign; RSA flags 2 = rsa-sha2-256, 4 = rsa-sha2-512
/// 17 | key | comment                               hold a key (`SSHAgentAddition`)
/// 18 | string key or certificate                   forget it
/// 25 | key | comment | constraints                 hold a key for a time
/// ```
/// RSA with flags 0 would be a SHA-1 signature: it can be neither written nor read.
public enum SSHAgentRequest: Hashable, Sendable {
    case listKeys
    case sign(key: SSHPublicKey, data: [UInt8], algorithm: SSHSignatureAlgorithm)
    case add(SSHAgentAddition)
    case remove(blob: [UInt8])

    /// Most bytes of a message either way, as OpenSSH's agent has it.
    public static let byteLimit = 256 * 1024

    /// Parses a message.
    public init(payload: [UInt8]) throws(SSHFormatError) {
        let subject = "ssh-agent request"
        self = try SSHFormatError.reading(subject, payload, limit: Self.byteLimit) { reader in
            switch try reader.byte() {
            case 11: return .listKeys
            case 13:
                let key = try SSHPublicKey(blob: try reader.string(limit: SSHPublicKey.blobLimit))
                let data = try reader.string(limit: Self.byteLimit)
                let flags = try reader.uint32()
                guard
                    let algorithm = SSHSignatureAlgorithm.allCases.first(where: {
                        $0.keyKind == key.kind && $0.agentFlags == flags
                    })
                else { throw SSHFormatError(subject, "flags \(flags) are not accepted for \(key.kind.rawValue)") }
                return .sign(key: key, data: data, algorithm: algorithm)
            case 17: return .add(try SSHAgentAddition(&reader, constrained: false))
            case 18: return .remove(blob: try reader.string(limit: Self.byteLimit))
            case 25: return .add(try SSHAgentAddition(&reader, constrained: true))
            case let type: throw SSHFormatError(subject, "type \(type) is not known")
            }
        }
    }

    /// The message; that of an addition is a secret.
    public var payload: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .listKeys: writer.byte(11)
        case .sign(let key, let data, let algorithm):
            writer.byte(13)
            writer.string(key.blob)
            writer.string(data)
            writer.uint32(algorithm.agentFlags)
        case .add(let addition):
            writer.byte(addition.isConstrained ? 25 : 17)
            addition.write(to: &writer)
        case .remove(let blob):
            writer.byte(18)
            writer.string(blob)
        }
        return writer.bytes
    }
}

extension SSHSignatureAlgorithm {
    /// The flags that ask an agent for this algorithm.
    public var agentFlags: UInt32 {
        switch self {
        case .rsaSHA256: 2
        case .rsaSHA512: 4
        case .ed25519, .ecdsaP256, .skEd25519, .skECDSAP256: 0
        }
    }
}

/// A key that an agent holds.
public struct SSHAgentIdentity: Hashable, Sendable {
    /// The key's wire encoding, of a kind that may be unknown here (a certificate, P-384).
    public let blob: [UInt8]
    /// What the key's owner calls it; agents do not promise UTF-8.
    public let comment: [UInt8]

    /// A key and its comment.
    public init(blob: [UInt8], comment: [UInt8]) {
        self.blob = blob
        self.comment = comment
    }

    /// The key, or nil where it is of a kind that is not accepted.
    public var publicKey: SSHPublicKey? { try? SSHPublicKey(blob: blob) }

    /// The certificate, or nil where it is none that is accepted.
    public var certificate: SSHCertificate? { try? SSHCertificate(blob: blob) }
}

/// What an ssh-agent answers, without the 32 bits of length in front.
///
/// ```
/// 5                                                refused
/// 6                                                done
/// 12 | u32 count | {string key | string comment}*  keys
/// 14 | string signature                            signed
/// ```
public enum SSHAgentReply: Hashable, Sendable {
    case failure
    case success
    case keys([SSHAgentIdentity])
    case signature(SSHKeySignature)

    /// Most keys that an agent may list.
    public static let keyLimit = 2048

    /// Parses a message.
    public init(payload: [UInt8]) throws(SSHFormatError) {
        let subject = "ssh-agent reply"
        self = try SSHFormatError.reading(subject, payload, limit: SSHAgentRequest.byteLimit) { reader in
            switch try reader.byte() {
            case 5: return .failure
            case 6: return .success
            case 12: return .keys(try Self.identities(&reader))
            case 14: return .signature(try SSHKeySignature(blob: try reader.string(limit: SSHKeySignature.byteLimit)))
            case let type: throw SSHFormatError(subject, "type \(type) is not known")
            }
        }
    }

    /// The message.
    public var payload: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .failure: writer.byte(5)
        case .success: writer.byte(6)
        case .keys(let identities):
            writer.byte(12)
            writer.uint32(UInt32(identities.count))
            for identity in identities {
                writer.string(identity.blob)
                writer.string(identity.comment)
            }
        case .signature(let signature):
            writer.byte(14)
            writer.string(signature.blob)
        }
        return writer.bytes
    }

    private static func identities(_ reader: inout ByteReader) throws -> [SSHAgentIdentity] {
        let count = try reader.uint32()
        guard count <= keyLimit else { throw SSHFormatError("ssh-agent reply", "lists \(count) keys") }
        var identities: [SSHAgentIdentity] = []
        for _ in 0..<count {
            let blob = try reader.string(limit: SSHAgentRequest.byteLimit)
            identities.append(SSHAgentIdentity(blob: blob, comment: try reader.string(limit: 4096)))
        }
        return identities
    }
}
