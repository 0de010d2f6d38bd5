import CanonicalJSON

/// What one role's metadata says about another's: `{"version": 3, "length": 123, "hashes": {…}}`, the last two optional.
public struct MetaFile: Sendable, Equatable {
    /// The version it must have, at least 1.
    public let version: Int64
    /// Its length in bytes, where given.
    public let length: Int?
    /// Its hashes, where given.
    public let hashes: FileHashes?

    /// A description of metadata.
    public init(version: Int64, length: Int? = nil, hashes: FileHashes? = nil) {
        self.version = version
        self.length = length
        self.hashes = hashes
    }

    /// Reads a description.
    public init(_ fields: JSONFields) throws(JSONError) {
        version = try fields.integer("version", in: 1...Int64.max)
        length = try fields.optional("length") { fields, key throws(JSONError) in
            Int(try fields.integer(key, in: 0...Int64.max))
        }
        hashes = try fields.optional("hashes") { fields, key throws(JSONError) in
            try FileHashes(try fields.fields(key))
        }
    }

    /// The description as JSON.
    public var json: JSONValue {
        var object: JSONObject = ["version": .integer(version)]
        if let length { object["length"] = .integer(Int64(length)) }
        if let hashes { object["hashes"] = hashes.json }
        return .object(object)
    }
}
