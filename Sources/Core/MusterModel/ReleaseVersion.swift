import DebianPackage
import RPMPackage
import VersionedTarball

/// How two versions of a package stand to each other, by the rules of its format.
public enum ReleaseVersion {
    /// Below 0 where `left` is older than `right`, 0 where neither is, above 0 where it is newer.
    ///
    /// Nil where the format is unknown or one of the texts is no version of it.
    public static func compare(_ format: String, _ left: String, _ right: String) -> Int? {
        guard let format = PackageFormat(rawValue: format) else { return nil }
        return switch format {
        case .deb: compare(DebianVersion(left), DebianVersion(right))
        case .rpm: compare(RPMVersion(left), RPMVersion(right))
        case .tar: compare(TarballVersion(left), TarballVersion(right))
        }
    }

    /// Whether a text is a version of the format.
    public static func isVersion(_ format: PackageFormat, _ text: String) -> Bool {
        compare(format.rawValue, text, text) != nil
    }

    private static func compare<Version: Comparable>(_ left: Version?, _ right: Version?) -> Int? {
        guard let left, let right else { return nil }
        return left < right ? -1 : left == right ? 0 : 1
    }
}
