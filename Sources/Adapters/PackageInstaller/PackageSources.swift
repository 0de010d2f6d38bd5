import Glibc
import MusterModel
import MusterSystem

/// The package managers of a node, by the format of what they install.
public struct PackageSources: Sendable {
    private let sources: [PackageFormat: any PackageInstalling]

    /// These package managers.
    public init(_ sources: [PackageFormat: any PackageInstalling]) {
        self.sources = sources
    }

    /// What the machine has: dpkg and rpm where their programs are, tarballs always.
    public init(root: String, limits: InstallLimits = InstallLimits()) {
        var sources: [PackageFormat: any PackageInstalling] = [.tar: TarballInstaller(root: root, limits: limits)]
        if access("/usr/bin/dpkg", X_OK) == 0 { sources[.deb] = DpkgInstaller(root: root, limits: limits) }
        if access("/usr/bin/rpm", X_OK) == 0 { sources[.rpm] = RPMInstaller(root: root, limits: limits) }
        self.init(sources)
    }

    /// The package manager for a format; an error that says what is missing.
    public func source(_ format: String) throws(PackageError) -> any PackageInstalling {
        guard let known = PackageFormat(rawValue: format) else {
            throw PackageError(.unsupported, "packages of format '\(format.prefix(16))' are not known to this agent")
        }
        guard let source = sources[known] else {
            throw PackageError(.unsupported, "this node has no program that installs packages of format '\(format)'")
        }
        return source
    }

    /// The architecture of packages that fit this node: dpkg's where it is, since it may differ from the kernel's.
    public func architecture() async throws(PackageError) -> String {
        if let dpkg = sources[.deb] { return try await dpkg.architecture() }
        return PackageArchitecture.common(HostFacts.read().machine)
    }

    /// The versions of packages as far as they are wholly installed; each is looked for where its format says.
    ///
    /// One whose package manager cannot be asked is left out.
    public func versions(of packages: [String: String]) async -> [String: String] {
        var versions: [String: String] = [:]
        for (format, source) in sources {
            let names = Set(packages.filter { $0.value == format.rawValue }.keys)
            guard !names.isEmpty, let found = try? await source.versions(of: names) else { continue }
            versions.merge(found) { first, _ in first }
        }
        return versions
    }
}
