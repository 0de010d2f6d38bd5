import MusterSystem

/// A small Debian package that `dpkg-deb` builds.
public struct TestPackage: Sendable {
    /// The name.
    public var name: String
    /// The version.
    public var version: String
    /// The architecture.
    public var architecture = "all"
    /// Files by their path below the root.
    public var files: [String: String]
    /// Paths of those files that are configuration.
    public var configuration: Set<String> = []
    /// Maintainer scripts by name, such as `postinst`; shell text without the first line.
    public var scripts: [String: String] = [:]
    /// Compression of both archives: `gzip`, `xz` or `zstd`.
    public var compression = "gzip"

    /// A package with one file, `usr/share/<name>/version`, that holds its version.
    public init(_ name: String, _ version: String) {
        self.name = name
        self.version = version
        files = ["usr/share/\(name)/version": version + "\n"]
    }

    /// The name of its file.
    public var fileName: String { "\(name)_\(version)_\(architecture).deb" }

    /// Builds the package and returns the bytes of its file.
    public func build() async throws -> [UInt8] {
        let folder = try TemporaryFolder()
        let tree = folder.file("tree")
        try Directory.create(tree, mode: 0o755)
        for (path, content) in files { try folder.write("tree/" + path, content.utf8) }
        try folder.write("tree/DEBIAN/control", control.utf8)
        if !configuration.isEmpty {
            let list = configuration.sorted().map { "/\($0)\n" }.joined()
            try folder.write("tree/DEBIAN/conffiles", list.utf8)
        }
        for (script, text) in scripts {
            try Directory.create(tree + "/DEBIAN", mode: 0o755)
            try AtomicFile.write(Array("#!/bin/sh\n\(text)\n".utf8), to: "\(tree)/DEBIAN/\(script)", mode: 0o755)
        }
        let output = folder.file("package.deb")
        let options = ["--build", "--root-owner-group", "-Z\(compression)", "-z1", tree, output]
        let result = try await Command("/usr/bin/dpkg-deb", options).run(timeout: .seconds(60))
        guard result.succeeded else {
            throw SystemError("build", fileName, because: "dpkg-deb \(result.endingText): \(result.errorText)")
        }
        return try BoundedFile.read(output, limit: 1 << 30)
    }

    private var control: String {
        """
        Package: \(name)
        Version: \(version)
        Architecture: \(architecture)
        Maintainer: Tests <tests@example.com>
        Description: a package for tests

        """
    }
}
