import MusterSystem

/// What the package manager says of one package.
public enum PackageState: Equatable, Sendable {
    /// Not installed; its configuration files may be there.
    case absent
    /// Wholly installed and configured.
    case installed(version: String)
    /// Begun and not ended: unpacked, half-configured, or worse. The status is the package manager's word.
    case partial(version: String, status: String)

    /// The version whose files are there, be they whole or not.
    public var version: String? {
        switch self {
        case .absent: nil
        case .installed(let version), .partial(let version, _): version
        }
    }
}

/// A package manager, as far as an agent needs one: the one protocol behind which dpkg, rpm and tarballs are alike.
///
/// A file that is handed in was verified while it was open; an implementation uses this open file, never its path.
public protocol PackageInstalling: Sendable {
    /// The architecture of packages that fit this node, besides `all`, in the fleet's words.
    func architecture() async throws(PackageError) -> String

    /// The state of a package, as the package manager's database has it now.
    func state(of package: String) async throws(PackageError) -> PackageState

    /// The versions of these packages as far as they are wholly installed, by name; one question for all of them.
    func versions(of packages: Set<String>) async throws(PackageError) -> [String: String]

    /// Installs, upgrades, downgrades or repairs from this open file: its very contents, whatever its path means by now.
    ///
    /// When this throws `locked` or `unavailable`, nothing was changed. After `damaged` the package is not whole, whatever
    /// its state. After any other error, look at the state; after a hung or failed installation, installing a whole
    /// package again repairs it.
    func install(_ file: OpenFile) async throws(PackageError)

    /// Finishes what an interrupted run left of a package, without any file; nothing where its state is whole or absent.
    ///
    /// Throws where only installing it again would help.
    func repair(_ package: String) async throws(PackageError)

    /// As `install`, for going back: gets past failing scripts of the version that goes.
    func restore(_ package: String, from file: OpenFile) async throws(PackageError)

    /// Removes a package, keeping its configuration files; gets past its failing scripts.
    func remove(_ package: String) async throws(PackageError)
}
