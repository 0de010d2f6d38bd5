import MusterSystem

/// A small versioned tarball that the system's tar packs.
public struct TestTarball: Sendable {
    /// The name.
    public var name: String
    /// The version.
    public var version: String
    /// Files by their path below its one folder.
    public var files: [String: String]

    /// A tarball with one file, `version`, that holds its version.
    public init(_ name: String, _ version: String) {
        self.name = name
        self.version = version
        files = ["version": version + "\n"]
    }

    /// The name of its file.
    public var fileName: String { "\(name)-\(version).tar.gz" }

    /// Packs the tarball and returns the bytes of its file.
    public func build() async throws -> [UInt8] {
        let folder = try TemporaryFolder()
        for (path, content) in files { try folder.write("\(name)-\(version)/\(path)", content.utf8) }
        let options = ["-C", folder.path, "-czf", folder.file(fileName), "\(name)-\(version)"]
        let result = try await Command("/bin/tar", options).run(timeout: .seconds(120))
        guard result.succeeded else {
            throw SystemError("pack", fileName, because: "tar \(result.endingText): \(result.errorText)")
        }
        return try BoundedFile.read(folder.file(fileName), limit: 1 << 30)
    }
}
