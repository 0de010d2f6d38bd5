import ByteCoding
import CanonicalJSON

/// What the release managers say of a package file, signed as `custom.muster` of its TUF target.
public struct ReleaseDescription: Hashable, Sendable {
    /// The only format so far; a node refuses one that it does not know.
    public static let debian = "deb"

    /// The package format: `deb`.
    public let format: String
    /// The package's name, as the file itself says it.
    public let package: String
    /// Its version, as the file itself says it.
    public let version: String
    /// Its architecture, as the file itself says it: `amd64`, `arm64`, …, or `all`.
    public let architecture: String
    /// Rises with each release of the package: a node goes to a lower one only by a `roll-back` statement.
    public let counter: Int64
    /// Whether the release closes a security hole.
    public let security: Bool
    /// When it was added.
    public let released: UTCTime
    /// What must pass on the node after the installation.
    public let healthChecks: [HealthCheck]
    /// One line for people, at most 1024 bytes; may be empty.
    public let notes: String

    /// A description of these parts.
    public init(
        format: String = ReleaseDescription.debian,
        package: String,
        version: String,
        architecture: String,
        counter: Int64,
        security: Bool,
        released: UTCTime,
        healthChecks: [HealthCheck],
        notes: String
    ) {
        self.format = format
        self.package = package
        self.version = version
        self.architecture = architecture
        self.counter = counter
        self.security = security
        self.released = released.wholeSeconds
        self.healthChecks = healthChecks
        self.notes = notes
    }

    /// Reads a description.
    public init(_ fields: JSONFields) throws(JSONError) {
        format = try fields.string("format", limit: 16)
        package = try fields.string("package", limit: 256)
        version = try fields.string("version", limit: 256)
        architecture = try fields.string("architecture", limit: 64)
        counter = try fields.integer("counter", in: 1...Int64.max)
        security = try fields.bool("security")
        released = try fields.time("released")
        healthChecks = try fields.objects("health", limit: 16).map { check throws(JSONError) in try HealthCheck(check) }
        notes = try fields.string("notes", limit: 1024)
    }

    /// Reads the description out of a target's `custom` object.
    public init(custom: JSONValue?) throws(JSONError) {
        guard let custom else { throw JSONError(location: "custom", reason: "is missing") }
        try self.init(try JSONFields(custom, at: "custom").fields("muster"))
    }

    /// The target's whole `custom` object.
    public var custom: JSONValue { ["muster": json] }

    /// The description as it is signed.
    public var json: JSONValue {
        [
            "format": .string(format),
            "package": .string(package),
            "version": .string(version),
            "architecture": .string(architecture),
            "counter": .integer(counter),
            "security": .bool(security),
            "released": JSONValue(released),
            "health": .array(healthChecks.map(\.json)),
            "notes": .string(notes),
        ]
    }
}
