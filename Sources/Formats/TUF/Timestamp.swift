import ByteCoding
import CanonicalJSON

/// Timestamp metadata: which snapshot is current.
///
/// ```
/// {"_type": "timestamp", "spec_version", "version", "expires", "meta": {"snapshot.json": {"version", "length"?, "hashes"?}}}
/// ```
public struct Timestamp: Sendable {
    /// `_type`, versions and expiry.
    public let header: MetadataHeader
    /// The current snapshot.
    public let snapshot: MetaFile

    /// The metadata's version.
    public var version: Int64 { header.version }
    /// When it expires.
    public var expires: UTCTime { header.expires }

    /// Timestamp metadata that is being made.
    public init(version: Int64, expires: UTCTime, snapshot: MetaFile) {
        header = MetadataHeader(type: "timestamp", version: version, expires: expires)
        self.snapshot = snapshot
    }

    /// Reads the signed part of timestamp metadata.
    public init(_ fields: JSONFields) throws(JSONError) {
        header = try MetadataHeader(fields, type: "timestamp")
        snapshot = try MetaFile(try fields.fields("meta").fields("snapshot.json"))
    }

    /// Reads the signed part of an envelope.
    public init(_ envelope: SignedEnvelope) throws(JSONError) {
        try self.init(try JSONFields(envelope.signed, at: "signed"))
    }

    /// The signed part, for writing.
    public var json: JSONValue {
        var object = header.json
        object["meta"] = ["snapshot.json": snapshot.json]
        return .object(object)
    }
}
