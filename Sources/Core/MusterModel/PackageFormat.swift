import VersionedTarball

/// A kind of package file that nodes install.
public enum PackageFormat: String, Hashable, Sendable, CaseIterable {
    /// A Debian package, installed by dpkg.
    case deb
    /// An rpm, installed by rpm.
    case rpm
    /// A tarball with a version in the name of its one folder, unpacked beside the version before it.
    case tar

    /// The format that the name of a file promises.
    public init?(fileName: String) {
        if fileName.hasSuffix(".deb") || fileName.hasSuffix(".debs") {
            self = .deb
        } else if fileName.hasSuffix(".rpm") {
            self = .rpm
        } else if TarballIdentity.fileSuffixes.contains(where: fileName.hasSuffix) {
            self = .tar
        } else {
            return nil
        }
    }
}
