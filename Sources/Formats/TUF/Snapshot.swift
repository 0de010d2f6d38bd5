import ByteCoding
import CanonicalJSON

/// Snapshot metadata: the versions of all targets metadata that belong together.
///
/// ```
/// {"_type": "snapshot", "spec_version", "version", "expires",
///  "meta": {"targets.json": {"version", "length"?, "hashes"?}, "<role>.json": {…}}}
/// ```
public struct Snapshot: Sendable {
    /// `_type`, versions and expiry.
    public let header: MetadataHeader
    /// Descriptions by file name, in canonical order; file names are compared by their bytes.
    public let meta: [(fileName: String, file: MetaFile)]
    private let positions: [[UInt8]: Int]

    /// The metadata's version.
    public var version: Int64 { header.version }
    /// When it expires.
    public var expires: UTCTime { header.expires }

    /// Snapshot metadata that is being made: versions by role name, `targets` among them.
    public init(version: Int64, expires: UTCTime, roles: [String: MetaFile]) throws(JSONError) {
        var object = MetadataHeader(type: "snapshot", version: version, expires: expires).json
        object["meta"] = .object(JSONObject(roles.map { ($0.key + ".json", $0.value.json) }))
        try self.init(try JSONFields(.object(object), at: "signed"))
    }

    /// Reads the signed part of snapshot metadata.
    public init(_ fields: JSONFields) throws(JSONError) {
        header = try MetadataHeader(fields, type: "snapshot")
        let files = try fields.fields("meta")
        var meta: [(fileName: String, file: MetaFile)] = []
        meta.reserveCapacity(files.object.count)
        for member in files.object.members {
            guard member.key.utf8.count <= 1024 else { throw fields.error("meta", "has a name of over 1024 bytes") }
            meta.append((member.key, try MetaFile(try JSONFields(member.value, at: "signed.meta." + member.key))))
        }
        positions = Dictionary(meta.enumerated().map { (Array($1.fileName.utf8), $0) }) { first, _ in first }
        self.meta = meta
    }

    /// Reads the signed part of an envelope.
    public init(_ envelope: SignedEnvelope) throws(JSONError) {
        try self.init(try JSONFields(envelope.signed, at: "signed"))
    }

    /// What the snapshot says of a file such as `targets.json`.
    public func file(_ fileName: String) -> MetaFile? {
        positions[Array(fileName.utf8)].map { meta[$0].file }
    }

    /// What the snapshot says of a role.
    public func role(_ name: String) -> MetaFile? { file(name + ".json") }

    /// The signed part, for writing.
    public var json: JSONValue {
        var object = header.json
        object["meta"] = .object(JSONObject(meta.map { ($0.fileName, $0.file.json) }))
        return .object(object)
    }
}
