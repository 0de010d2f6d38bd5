import Glibc
import MusterModel
import MusterSystem
import VersionedTarball

/// Versioned tarballs, each unpacked whole beside the one before, and one link that says which is in use.
///
/// ```
/// /opt/prometheus/current -> versions/2.46.0-6f1e0c52d1a0b6f2
/// /opt/prometheus/versions/2.46.0-6f1e0c52d1a0b6f2/    version, and the first 16 digits of the file's SHA-256
/// /opt/prometheus/versions/2.45.0-0d9be1c72a3f4e55/    the one before
/// /opt/prometheus/versions/.new, .old                  being unpacked, being removed
/// ```
/// Whatever is killed or cut off at any moment: `current` is the old version, whole, or the new one, whole. A folder gets
/// its name only after all of it is on the disk, and the link is replaced by one rename.
public struct TarballInstaller: PackageInstalling {
    /// A moment at which a crash would leave something behind; for tests.
    enum Step: String, CaseIterable {
        case locked
        case swept
        case unpacked
        case placed
        case switched
        case pruned
    }

    private let base: String
    private let limits: InstallLimits
    private let observer: @Sendable (Step) -> Void

    /// The tarballs in `folder` below `root`.
    public init(root: String = "/", folder: String = "/opt", limits: InstallLimits = InstallLimits()) {
        self.init(root: root, folder: folder, limits: limits) { _ in }
    }

    init(
        root: String,
        folder: String = "/opt",
        limits: InstallLimits = InstallLimits(),
        observer: @escaping @Sendable (Step) -> Void
    ) {
        base = (root == "/" ? "" : root) + folder
        self.limits = limits
        self.observer = observer
    }

    /// The kernel's architecture.
    public func architecture() async throws(PackageError) -> String {
        PackageArchitecture.common(HostFacts.read().machine)
    }

    /// What the link of a package says.
    public func state(of package: String) async throws(PackageError) -> PackageState {
        try place(package).state()
    }

    /// What the links of these packages say.
    public func versions(of packages: Set<String>) async throws(PackageError) -> [String: String] {
        var versions: [String: String] = [:]
        for package in packages where TarballIdentity.isName(package) {
            if case .installed(let version) = try place(package).state() { versions[package] = version }
        }
        return versions
    }

    /// Unpacks the open file beside the version that is in use, then makes it the one in use.
    public func install(_ file: OpenFile) async throws(PackageError) {
        let measured = try PackageFile.measure(file)
        let identity = try TarballArchive.walk(file, length: measured.length, into: nil)
        try await change(identity.name) { place throws(PackageError) in
            let name = TarballPlace.name(identity.version.text, measured.sha256)
            let before = place.current
            do throws(PackageError) {
                try place.unpack(file, length: measured.length)
            } catch {
                place.discard()
                throw error
            }
            observer(.unpacked)
            try place.put(name)
            observer(.placed)
            try place.use(name)
            observer(.switched)
            place.prune(keeping: [name, before == name ? place.previous(than: name) : before])
            observer(.pruned)
        }
    }

    /// Nothing: a version is whole or not there.
    public func repair(_ package: String) async throws(PackageError) {
        guard case .partial(let version, let status) = try place(package).state() else { return }
        throw PackageError(.failed, "\(package) \(version) is \(status): it must be installed again")
    }

    /// As `install`: there are no scripts.
    public func restore(_ package: String, from file: OpenFile) async throws(PackageError) {
        try await install(file)
    }

    /// Removes the link, then the versions.
    public func remove(_ package: String) async throws(PackageError) {
        guard try place(package).exists else { return }
        try await change(package) { place throws(PackageError) in try place.remove() }
    }

    private func place(_ package: String) throws(PackageError) -> TarballPlace {
        guard TarballIdentity.isName(package) else {
            throw PackageError(.failed, "\(package.prefix(80).debugDescription) is no name of a tarball")
        }
        return TarballPlace(base + "/" + package)
    }

    /// Does `body` alone, after sweeping away what an earlier run left.
    private func change(
        _ package: String,
        _ body: (TarballPlace) throws(PackageError) -> Void
    ) async throws(PackageError) {
        let place = try place(package)
        try place.create()
        let lock = try await limits.whileLocked { () throws(PackageError) in try place.lock() }
        try withExtendedLifetime(lock) { () throws(PackageError) in
            observer(.locked)
            place.discard()
            observer(.swept)
            try body(place)
        }
    }
}
