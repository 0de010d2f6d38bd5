import ByteCoding
import CanonicalJSON

/// What the release managers say of a package file, signed as `custom.muster` of its TUF target.
public struct ReleaseDescription: Hashable, Sendable {
    /// The format of Debian packages.
    public static let debian = PackageFormat.deb.rawValue

    /// The package format: `deb`, `rpm` or `tar`; a node refuses one that it does not know.
    public let format: String
    /// The package's name, as the file itself says it.
    public let package: String
    /// Its version, as the file itself says it.
    public let version: String
    /// Its architecture, as the file itself says it, in the fleet's words: `amd64`, `arm64`, …, or `all`.
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
    /// The version that an older one must pass through first; nil where every node may go here at once.
    public let floor: String?
    /// systemd units that are restarted after the installation where the package has not done so itself.
    public let restart: [String]

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
        notes: String,
        floor: String? = nil,
        restart: [String] = []
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
        self.floor = floor
        self.restart = restart
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
        floor = try fields.optional("floor") { fields, key throws(JSONError) in
            try fields.string(key, limit: 256)
        }
        restart =
            try fields.optional("restart") { fields, key throws(JSONError) in
                let units = try fields.strings(key, limit: 16, each: 255)
                guard units.allSatisfy(Self.isUnit) else { throw fields.error(key, "holds what is no name of a unit") }
                return units
            } ?? []
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
        var object: JSONObject = [
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
        object["floor"] = floor.map { .string($0) }
        if !restart.isEmpty { object["restart"] = .array(restart.map { .string($0) }) }
        return .object(object)
    }

    /// Whether going from the installed version to this one would skip the floor.
    ///
    /// Where the versions cannot be compared, it would: nothing says that it is safe.
    public func isBelowFloor(installed: String) -> Bool {
        guard let floor else { return false }
        return ReleaseVersion.compare(format, installed, floor).map { $0 < 0 } ?? true
    }

    /// Whether a text is the name of a systemd unit with its suffix, such as `nginx.service`.
    public static func isUnit(_ text: String) -> Bool {
        guard (3...255).contains(text.utf8.count), let first = text.utf8.first, first != UInt8(ascii: "-"),
            first != UInt8(ascii: "."), let dot = text.lastIndex(of: "."), dot != text.index(before: text.endIndex)
        else { return false }
        return text.utf8.allSatisfy { byte in
            byte < 0x80
                && (Character(UnicodeScalar(byte)).isLetter || Character(UnicodeScalar(byte)).isNumber
                    || ":-_.@\\".utf8.contains(byte))
        }
    }
}
