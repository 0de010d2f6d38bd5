import ByteCoding
import CanonicalJSON

/// What the signed part of every role's metadata begins with:
/// `{"_type": "root", "spec_version": "1.0.34", "version": 1, "expires": "2030-01-01T00:00:00Z", …}`.
public struct MetadataHeader: Sendable, Equatable {
    /// The version of the specification that this code writes.
    public static let specVersion = "1.0.34"

    /// `_type`.
    public let type: String
    /// `spec_version`.
    public let specVersion: String
    /// `version`, at least 1.
    public let version: Int64
    /// `expires`.
    public let expires: UTCTime

    /// The header of metadata made here.
    public init(type: String, version: Int64, expires: UTCTime) {
        self.type = type
        self.specVersion = Self.specVersion
        self.version = version
        self.expires = expires
    }

    /// Reads the header of metadata that must be of `type` and of a 1.x specification.
    public init(_ fields: JSONFields, type: String) throws(JSONError) {
        self.type = try fields.string("_type", limit: 100)
        guard self.type == type else { throw fields.error("_type", "is not \(type)") }
        specVersion = try fields.string("spec_version", limit: 100)
        guard Self.isSupported(specVersion) else { throw fields.error("spec_version", "is not 1.x") }
        version = try fields.integer("version", in: 1...Int64.max)
        expires = try fields.time("expires")
    }

    /// Whether a `spec_version` is `1.x` or `1.x.y`.
    public static func isSupported(_ specVersion: String) -> Bool {
        let parts = specVersion.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return (2...3).contains(parts.count) && parts[0].elementsEqual("1".utf8)
            && parts.allSatisfy {
                !$0.isEmpty && $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            }
    }

    /// The members of the header, for writing.
    var json: JSONObject {
        [
            "_type": .string(type), "expires": .string(expires.description), "spec_version": .string(specVersion),
            "version": .integer(version),
        ]
    }
}
