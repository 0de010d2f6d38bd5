import ByteCoding
import CanonicalJSON
import MusterModel

/// A package file that muster trusts: what it is, and how to know it again.
public struct InstalledRelease: Hashable, Sendable {
    /// Its TUF target path, length and SHA-256.
    public let target: UpgradeBody.Target
    /// Its version.
    public let version: String
    /// Its release counter.
    public let counter: Int64

    /// A package file.
    public init(target: UpgradeBody.Target, version: String, counter: Int64) {
        self.target = target
        self.version = version
        self.counter = counter
    }

    init(_ fields: JSONFields) throws(JSONError) {
        target = UpgradeBody.Target(
            path: try fields.string("path", limit: 1024),
            length: try fields.integer("length"),
            sha256: try fields.hex("sha256", count: 32)
        )
        version = try fields.string("version", limit: 256)
        counter = try fields.integer("counter")
    }

    var json: JSONValue {
        [
            "path": .string(target.path), "length": .integer(target.length),
            "sha256": .string(Hex.encode(target.sha256)), "version": .string(version), "counter": .integer(counter),
        ]
    }

    /// Name of its file in our own folders.
    var fileName: String { "\(Hex.encode(target.sha256)).\(format.rawValue)" }

    /// The package format that its path promises.
    var format: PackageFormat { PackageFormat(fileName: target.path) ?? .deb }
}

/// How an upgrade is undone.
public enum RollbackSource: Hashable, Sendable {
    /// The package was not installed before: it is removed.
    case remove
    /// This package file, which is in the folder of saved files, is installed.
    case file(InstalledRelease)

    /// The version that comes back; nil for none.
    public var version: String? {
        switch self {
        case .remove: nil
        case .file(let release): release.version
        }
    }

    init(_ fields: JSONFields) throws(JSONError) {
        self = fields.has("file") ? .file(try InstalledRelease(try fields.fields("file"))) : .remove
    }

    var json: JSONValue {
        switch self {
        case .remove: [:]
        case .file(let release): ["file": release.json]
        }
    }
}
