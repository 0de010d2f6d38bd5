import ByteCoding
import CanonicalJSON

/// Targets metadata, of the top-level role or of a delegated one: files, and roles that may say more.
///
/// ```
/// {"_type": "targets", "spec_version", "version", "expires",
///  "targets": {"<path>": {"length", "hashes", "custom"?}}, "delegations": {…}?}
/// ```
/// Every file's description is checked when the metadata is read, but made into a `TargetFile` only when asked for.
public struct Targets: Sendable {
    /// `_type`, versions and expiry.
    public let header: MetadataHeader
    /// The roles that this one delegates to.
    public let delegations: Delegations?
    private let entries: [(key: JSONNode, value: JSONNode)]
    private let node: JSONNode

    /// The metadata's version.
    public var version: Int64 { header.version }
    /// When it expires.
    public var expires: UTCTime { header.expires }

    /// Targets metadata that is being made.
    public init(
        version: Int64,
        expires: UTCTime,
        targets: [TargetFile] = [],
        delegations: Delegations? = nil
    ) throws(JSONError) {
        var object = MetadataHeader(type: "targets", version: version, expires: expires).json
        object["targets"] = .object(JSONObject(targets.map { ($0.path, $0.json) }))
        object["delegations"] = delegations?.json
        try self.init(try JSONDocument(parsing: JSONValue.object(object).jsonBytes, limit: .max).root)
    }

    /// Reads the signed part of an envelope.
    public init(_ envelope: SignedEnvelope) throws(JSONError) {
        try self.init(envelope.signedNode)
    }

    /// Reads the signed part of targets metadata.
    public init(_ node: JSONNode) throws(JSONError) {
        guard node.isObject else { throw JSONError(location: "signed", reason: "is not an object") }
        var object = JSONObject()
        var targets: JSONNode?
        for (key, value) in node.members {
            if key.isString("targets") { targets = value } else { object[key.string ?? ""] = value.value }
        }
        let fields = try JSONFields(.object(object), at: "signed")
        header = try MetadataHeader(fields, type: "targets")
        delegations = try fields.optional("delegations") { fields, key throws(JSONError) in
            try Delegations(try fields.fields(key))
        }
        guard let targets, targets.isObject else { throw fields.error("targets", "is missing or not an object") }
        entries = targets.sortedMembers
        self.node = node
        for (path, file) in entries where !Self.isValid(file) {
            _ = try TargetFile(path: path.string ?? "", try Self.fields(path, file))
        }
    }

    /// How many files are described.
    public var count: Int { entries.count }

    /// The paths of all files, in order.
    public var paths: [String] { entries.compactMap(\.key.string) }

    /// The descriptions of all files, in the order of their paths.
    public var files: [TargetFile] {
        entries.compactMap { Self.file($0.key, $0.value) }
    }

    /// The description of one file.
    public func file(_ path: String) -> TargetFile? {
        let wanted = Array(path.utf8)
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].key.compare(to: wanted) < 0 { low = middle + 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].key.compare(to: wanted) == 0 else { return nil }
        return Self.file(entries[low].key, entries[low].value)
    }

    /// The signed part, for writing, unknown members included.
    public var json: JSONValue { node.value }

    private static func fields(_ path: JSONNode, _ file: JSONNode) throws(JSONError) -> JSONFields {
        try JSONFields(file.value, at: "signed.targets." + (path.string ?? ""))
    }

    private static func file(_ path: JSONNode, _ file: JSONNode) -> TargetFile? {
        guard let text = path.string, let fields = try? fields(path, file) else { return nil }
        return try? TargetFile(path: text, fields)
    }

    /// Whether a description is well-formed, found without making anything of it; false means: look closer.
    private static func isValid(_ file: JSONNode) -> Bool {
        var hasLength = false
        var hasHashes = false
        for (key, value) in file.members {
            if key.isString("length") {
                guard let length = value.integer, length >= 0 else { return false }
                hasLength = true
            } else if key.isString("hashes") {
                for (algorithm, hash) in value.members {
                    guard algorithm.isString("sha256"), hash.isHex(count: 64) else { return false }
                    hasHashes = true
                }
            } else if key.isString("custom") {
                guard value.isObject else { return false }
            }
        }
        return hasLength && hasHashes
    }
}
