import DebianPackage
import RPMPackage
import VersionedTarball

/// Which package a file of any format says it is.
public struct PackageIdentity: Hashable, Sendable, CustomStringConvertible {
    /// What kind of file it is.
    public let format: PackageFormat
    /// The package's name.
    public let name: String
    /// The version, as its format writes it.
    public let version: String
    /// The architecture in the fleet's words (`PackageArchitecture`).
    public let architecture: String
    /// The names that a file of this package may have; the first is the usual one.
    public let fileNames: [String]

    /// What a Debian package says.
    public init(_ identity: DebianIdentity) {
        format = .deb
        name = identity.name
        version = identity.version.text
        architecture = identity.architecture
        fileNames = identity.fileNames
    }

    /// What an rpm says.
    public init(_ identity: RPMIdentity) {
        format = .rpm
        name = identity.name
        version = identity.version.text
        architecture = PackageArchitecture.common(identity.architecture)
        fileNames = [identity.fileName]
    }

    /// What a tarball says.
    public init(_ identity: TarballIdentity) {
        format = .tar
        name = identity.name
        version = identity.version.text
        architecture = PackageArchitecture.common(identity.architecture)
        fileNames = TarballIdentity.fileSuffixes.map { identity.folder + $0 }
    }

    /// `hello 2.10-3 amd64`.
    public var description: String { "\(name) \(version) \(architecture)" }
}
