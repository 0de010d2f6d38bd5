/// Which package a file says it is: name, version and architecture, each with the form the policy manual demands.
public struct DebianIdentity: Equatable, Sendable, CustomStringConvertible {
    /// Such as `libc6`.
    public let name: String
    /// Such as `2.36-9+deb12u4`.
    public let version: DebianVersion
    /// Such as `amd64`, or `all`.
    public let architecture: String

    /// The identity of these parts.
    public init(name: String, version: String, architecture: String) throws(DebianPackageError) {
        guard Self.isPackageName(name) else {
            throw DebianPackageError(location: "field Package", reason: "'\(name.prefix(80))' is not a package name")
        }
        guard let parsed = DebianVersion(version) else {
            throw DebianPackageError(location: "field Version", reason: "'\(version.prefix(80))' is not a version")
        }
        guard Self.isArchitecture(architecture) else {
            throw DebianPackageError(
                location: "field Architecture",
                reason: "'\(architecture.prefix(80))' is not an architecture"
            )
        }
        self.name = name
        self.version = parsed
        self.architecture = architecture
    }

    /// The identity that a control file states.
    public init(_ control: ControlParagraph) throws(DebianPackageError) {
        try self.init(
            name: try control.line("Package"),
            version: try control.line("Version"),
            architecture: try control.line("Architecture")
        )
    }

    /// `hello 2.10-3 amd64`.
    public var description: String { "\(name) \(version) \(architecture)" }

    /// The file name that goes with it; the epoch is not part of it.
    public var fileName: String { "\(name)_\(version.withoutEpoch)_\(architecture).deb" }

    /// The names that a file of this package may have; apt writes the epoch's colon as `%3a`.
    public var fileNames: [String] {
        let version = version.text.split(separator: ":", omittingEmptySubsequences: false).joined(separator: "%3a")
        return [fileName, "\(name)_\(version)_\(architecture).deb"]
    }

    /// At least two of `a-z`, `0-9`, `+`, `-`, `.`, beginning with a letter or digit.
    public static func isPackageName(_ text: String) -> Bool {
        isSpelled(text, others: "+-.", minimum: 2, limit: 128)
    }

    /// `a-z`, `0-9` and `-`, such as `amd64`, `kfreebsd-amd64`, `all`; not a wildcard.
    public static func isArchitecture(_ text: String) -> Bool {
        isSpelled(text, others: "-", minimum: 2, limit: 64)
            && !text.split(separator: "-", omittingEmptySubsequences: false).contains { $0 == "any" || $0.isEmpty }
    }

    private static func isSpelled(_ text: String, others: String, minimum: Int, limit: Int) -> Bool {
        func isLower(_ byte: UInt8) -> Bool {
            DebianVersion.isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        }
        let bytes = text.utf8
        guard let first = bytes.first, isLower(first), (minimum...limit).contains(bytes.count) else { return false }
        return bytes.allSatisfy { isLower($0) || others.utf8.contains($0) }
    }
}
