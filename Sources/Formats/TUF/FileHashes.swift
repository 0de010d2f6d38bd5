import ByteCoding
import CanonicalJSON
import SignatureVerification

/// The hashes of a file: `{"sha256": "<hex>", "sha512": "<hex>"}`.
///
/// Hashes by other algorithms are kept out: a file that has only those can be verified by nobody here and is refused.
public struct FileHashes: Sendable, Equatable {
    /// SHA-256, 32 bytes.
    public let sha256: [UInt8]?
    /// SHA-512, 64 bytes.
    public let sha512: [UInt8]?

    /// Hashes of a file, at least one.
    public init(sha256: [UInt8]?, sha512: [UInt8]? = nil) {
        self.sha256 = sha256
        self.sha512 = sha512
    }

    /// Reads a `hashes` object, which must not be empty.
    public init(_ fields: JSONFields) throws(JSONError) {
        guard fields.object.count > 0 else { throw JSONError(location: fields.path, reason: "is empty") }
        sha256 = try fields.optional("sha256") { fields, key throws(JSONError) in try fields.hex(key, count: 32) }
        sha512 = try fields.optional("sha512") { fields, key throws(JSONError) in try fields.hex(key, count: 64) }
        for key in fields.object.keys { _ = try fields.string(key, limit: 1024) }
    }

    /// Whether there is a hash that can be checked.
    public var isVerifiable: Bool { sha256 != nil || sha512 != nil }

    /// The hash that names the file in a repository with consistent snapshots, in hexadecimal.
    public var fileNamePrefix: String? { (sha256 ?? sha512).map { Hex.encode($0) } }

    /// Whether all hashes that can be checked are those of `bytes`, and at least one can be.
    public func match(_ bytes: [UInt8]) -> Bool {
        guard isVerifiable else { return false }
        return (sha256.map { $0 == Digest.sha256(bytes) } ?? true)
            && (sha512.map { $0 == Digest.sha512(bytes) } ?? true)
    }

    var json: JSONValue {
        var object = JSONObject()
        if let sha256 { object["sha256"] = .string(Hex.encode(sha256)) }
        if let sha512 { object["sha512"] = .string(Hex.encode(sha512)) }
        return .object(object)
    }
}
