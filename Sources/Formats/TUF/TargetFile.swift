import ByteCoding
import CanonicalJSON
import SignatureVerification

/// What signed metadata says of one file: `"<path>": {"length": 123, "hashes": {…}, "custom": {…}}`.
public struct TargetFile: Sendable, Equatable {
    /// The path within the repository, parts separated by `/`.
    public let path: String
    /// The exact length in bytes.
    public let length: Int64
    /// The hashes of the content.
    public let hashes: FileHashes
    /// The signer's own description of the file.
    public let custom: JSONValue?

    /// A file that is being described.
    public init(path: String, length: Int64, hashes: FileHashes, custom: JSONValue? = nil) {
        self.path = path
        self.length = length
        self.hashes = hashes
        self.custom = custom
    }

    /// The description of a file whose content is at hand.
    public init(path: String, content: [UInt8], custom: JSONValue? = nil) {
        self.init(
            path: path,
            length: Int64(content.count),
            hashes: FileHashes(sha256: Digest.sha256(content)),
            custom: custom
        )
    }

    /// Reads the description of `path`.
    public init(path: String, _ fields: JSONFields) throws(JSONError) {
        self.path = path
        length = try fields.integer("length")
        hashes = try FileHashes(try fields.fields("hashes"))
        custom = fields.object["custom"]
        if let custom, case .object = custom { return }
        if custom != nil { throw fields.error("custom", "is not an object") }
    }

    /// The description, without the path.
    public var json: JSONValue {
        var object: JSONObject = ["hashes": hashes.json, "length": .integer(length)]
        if let custom { object["custom"] = custom }
        return .object(object)
    }
}
