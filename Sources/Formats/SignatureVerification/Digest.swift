import Crypto

/// Which hash function.
public enum DigestAlgorithm: String, Sendable, CaseIterable {
    case sha256
    case sha512

    /// Bytes of a digest.
    public var length: Int {
        switch self {
        case .sha256: 32
        case .sha512: 64
        }
    }
}

/// Hashes of bytes that are at hand; see `StreamingDigest` for files.
public enum Digest {
    /// The 32 bytes of SHA-256.
    public static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        of(bytes, .sha256)
    }

    /// The 64 bytes of SHA-512.
    public static func sha512(_ bytes: [UInt8]) -> [UInt8] {
        of(bytes, .sha512)
    }

    /// The 20 bytes of SHA-1: only for finding keys in lists of others that name them so, never for trusting anything.
    public static func sha1(_ bytes: [UInt8]) -> [UInt8] {
        Array(Insecure.SHA1.hash(data: bytes))
    }

    /// The digest by the given function.
    public static func of(_ bytes: [UInt8], _ algorithm: DigestAlgorithm) -> [UInt8] {
        var digest = StreamingDigest(algorithm)
        digest.update(bytes)
        return digest.finish()
    }
}

/// A hash of bytes that arrive piece by piece; memory stays flat.
public struct StreamingDigest: Sendable {
    private enum State: Sendable {
        case sha256(SHA256)
        case sha512(SHA512)
    }

    private var state: State

    /// A digest of nothing yet.
    public init(_ algorithm: DigestAlgorithm) {
        state =
            switch algorithm {
            case .sha256: .sha256(SHA256())
            case .sha512: .sha512(SHA512())
            }
    }

    /// Appends bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        // The hash is moved out and back, so that a piece never copies the whole state.
        switch state {
        case .sha256(var hash):
            hash.update(bufferPointer: bytes)
            state = .sha256(hash)
        case .sha512(var hash):
            hash.update(bufferPointer: bytes)
            state = .sha512(hash)
        }
    }

    /// Appends bytes.
    public mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// The digest of everything so far; more may be appended afterwards.
    public func finish() -> [UInt8] {
        switch state {
        case .sha256(let hash): Array(hash.finalize())
        case .sha512(let hash): Array(hash.finalize())
        }
    }
}
