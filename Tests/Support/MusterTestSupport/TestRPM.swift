import MusterSystem

/// A small rpm that `rpmbuild` builds.
public struct TestRPM: Sendable {
    /// The name.
    public var name: String
    /// The version.
    public var version: String
    /// The release.
    public var release = "1"
    /// The epoch; nil for none.
    public var epoch: Int?
    /// The architecture.
    public var architecture = "noarch"
    /// Files by their path below the root.
    public var files: [String: String]
    /// Paths of those files that are configuration, and marked so that a changed one is kept.
    public var configuration: Set<String> = []
    /// Shell scripts by section, such as `post`.
    public var scripts: [String: String] = [:]
    /// How the payload is compressed, as rpm writes it: `w2.gzdio`, `w2.xzdio`, `w2.zstdio`, `w2.bzdio`, `w.ufdio` for not.
    public var payload = "w2.gzdio"

    /// A package with one file, `usr/share/<name>/version`, that holds its version.
    public init(_ name: String, _ version: String) {
        self.name = name
        self.version = version
        files = ["usr/share/\(name)/version": version + "\n"]
    }

    /// The name of its file.
    public var fileName: String { "\(name)-\(version)-\(release).\(architecture).rpm" }

    /// Epoch, version and release as muster writes them.
    public var wholeVersion: String { (epoch.map { $0 == 0 ? "" : "\($0):" } ?? "") + "\(version)-\(release)" }

    /// Builds the package and returns the bytes of its file.
    public func build() async throws -> [UInt8] {
        let folder = try TemporaryFolder()
        for (path, content) in files { try folder.write("tree/" + path, content.utf8) }
        let spec = try folder.write("package.spec", specification(folder).utf8)
        let definitions = ["_topdir \(folder.file("top"))", "_binary_payload \(payload)", "_build_id_links none"]
        let options = ["-bb", "--target", architecture] + definitions.flatMap { ["--define", $0] } + [spec]
        var environment = Command.plainEnvironment
        environment["HOME"] = folder.path
        let result = try await Command("/usr/bin/rpmbuild", options, environment: environment)
            .run(timeout: .seconds(300))
        guard result.succeeded else {
            throw SystemError("build", fileName, because: "rpmbuild \(result.endingText): \(result.errorText)")
        }
        return try BoundedFile.read(folder.file("top/RPMS/\(architecture)/\(fileName)"), limit: 1 << 30)
    }

    private func specification(_ folder: TemporaryFolder) -> String {
        var lines = ["Name: \(name)", "Version: \(version)", "Release: \(release)", "Summary: a package for tests"]
        if let epoch { lines.append("Epoch: \(epoch)") }
        lines += ["License: MIT", "AutoReqProv: no", "%description", "A package for tests.", "%install"]
        lines += ["mkdir -p %{buildroot}", "cp -a \(folder.file("tree"))/. %{buildroot}/"]
        for (section, text) in scripts.sorted(by: { $0.key < $1.key }) { lines += ["%\(section)", text] }
        lines.append("%files")
        lines += files.keys.sorted().map { (configuration.contains($0) ? "%config(noreplace) " : "") + "/\($0)" }
        return lines.joined(separator: "\n") + "\n"
    }
}
