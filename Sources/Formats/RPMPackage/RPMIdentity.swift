/// Which package an rpm file says it is.
public struct RPMIdentity: Equatable, Sendable, CustomStringConvertible {
    /// Such as `openssh-server`.
    public let name: String
    /// Epoch, version and release; written without epoch 0.
    public let version: RPMVersion
    /// Such as `x86_64`, or `noarch`.
    public let architecture: String

    /// The identity of these parts.
    public init(
        name: String,
        epoch: UInt32,
        version: String,
        release: String,
        architecture: String
    ) throws(RPMPackageError) {
        guard Self.isName(name) else {
            throw RPMPackageError(location: "name", reason: "'\(name.prefix(80))' is not a package name")
        }
        guard let parsed = RPMVersion(epoch: epoch, version: version, release: release) else {
            throw RPMPackageError(
                location: "version",
                reason: "'\(version.prefix(80))-\(release.prefix(80))' is not a version"
            )
        }
        guard Self.isArchitecture(architecture) else {
            throw RPMPackageError(
                location: "architecture",
                reason: "'\(architecture.prefix(80))' is not an architecture"
            )
        }
        self.name = name
        self.version = parsed
        self.architecture = architecture
    }

    /// `hello 1:2.10-3 x86_64`.
    public var description: String { "\(name) \(version) \(architecture)" }

    /// The file name that goes with it; the epoch is not part of it.
    public var fileName: String { "\(name)-\(version.withoutEpoch).\(architecture).rpm" }

    /// One to 128 letters, digits, `.`, `_`, `+`, `-`, beginning with a letter, a digit or `_`.
    public static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, isWord(first), text.utf8.count <= 128 else { return false }
        return text.utf8.allSatisfy { isWord($0) || ".+-".utf8.contains($0) }
    }

    /// Letters, digits and `_`, such as `x86_64`.
    public static func isArchitecture(_ text: String) -> Bool {
        (2...32).contains(text.utf8.count) && text.utf8.allSatisfy(isWord)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        RPMVersion.isDigit(byte) || RPMVersion.isLetter(byte) || byte == UInt8(ascii: "_")
    }
}
