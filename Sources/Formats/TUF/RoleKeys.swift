import CanonicalJSON

/// Which keys sign for a role, and how many of them must: `{"keyids": ["…"], "threshold": 1}`.
public struct RoleKeys: Sendable, Equatable {
    /// Key ids, each once.
    public let keyIDs: [String]
    /// How many distinct keys must have signed, at least 1.
    public let threshold: Int

    /// The keys of a role that is being made.
    public init(keyIDs: [String], threshold: Int) {
        self.keyIDs = keyIDs
        self.threshold = threshold
    }

    /// Reads the two members of a role.
    public init(_ fields: JSONFields) throws(JSONError) {
        keyIDs = try fields.keyIDs("keyids")
        threshold = Int(try fields.integer("threshold", in: 1...1024))
    }

    /// The two members, for writing.
    var json: JSONObject { ["keyids": .array(keyIDs.map(JSONValue.string)), "threshold": .integer(Int64(threshold))] }
}
