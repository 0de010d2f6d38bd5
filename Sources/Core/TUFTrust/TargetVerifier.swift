import SignatureVerification
import TUF

/// Verifies a file while it streams: refuses the first byte too many, and compares length and hashes at the end.
///
/// ```
/// var verifier = try TargetVerifier(file)
/// while let chunk = next() { try verifier.update(chunk); write(chunk) }
/// try verifier.finish()
/// ```
/// Nothing that was written may be used before `finish` returned.
public struct TargetVerifier: Sendable {
    /// What is verified.
    public let file: TargetFile
    /// Bytes seen so far.
    public private(set) var received: Int64 = 0
    private var sha256: StreamingDigest?
    private var sha512: StreamingDigest?

    /// A verifier that has seen nothing; refuses a description whose hashes nobody here can check.
    public init(_ file: TargetFile) throws(TUFTrustError) {
        guard file.hashes.isVerifiable else {
            throw TUFTrustError(.wrongContent, "\(file.path): has neither a SHA-256 nor a SHA-512 hash")
        }
        self.file = file
        sha256 = file.hashes.sha256 == nil ? nil : StreamingDigest(.sha256)
        sha512 = file.hashes.sha512 == nil ? nil : StreamingDigest(.sha512)
    }

    /// How many bytes are still to come.
    public var remaining: Int64 { file.length - received }

    /// Takes the next bytes; refuses all of them if they are more than are still to come.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) throws(TUFTrustError) {
        guard Int64(bytes.count) <= remaining else {
            throw TUFTrustError(.tooLong, "\(file.path): more than the signed \(file.length) bytes")
        }
        received += Int64(bytes.count)
        sha256?.update(bytes)
        sha512?.update(bytes)
    }

    /// Takes the next bytes.
    public mutating func update(_ bytes: [UInt8]) throws(TUFTrustError) {
        guard Int64(bytes.count) <= remaining else {
            throw TUFTrustError(.tooLong, "\(file.path): more than the signed \(file.length) bytes")
        }
        received += Int64(bytes.count)
        sha256?.update(bytes)
        sha512?.update(bytes)
    }

    /// Refuses the file unless its length and every hash that can be checked are the signed ones.
    public func finish() throws(TUFTrustError) {
        guard remaining == 0 else {
            throw TUFTrustError(.wrongContent, "\(file.path): ends after \(received) of \(file.length) bytes")
        }
        guard sha256.map({ $0.finish() }) == file.hashes.sha256, sha512.map({ $0.finish() }) == file.hashes.sha512
        else {
            throw TUFTrustError(.wrongContent, "\(file.path): the content does not have the signed hash")
        }
    }
}
