/// A kind of package file that nodes install.
public enum PackageFormat: String, Hashable, Sendable, CaseIterable {
    /// A Debian package, installed by dpkg.
    case deb
    /// An rpm, installed by rpm.
    case rpm
    /// A tarball with a version in the name of its one folder, unpacked beside the version before it.
    case tar
}
