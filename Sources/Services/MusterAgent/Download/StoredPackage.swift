import Glibc
import MusterModel
import MusterSystem
import PackageInstaller

/// A package file in the node's own folders.
enum StoredPackage {
    /// The open file, if it is there and has the signed length and hash; what was verified is this open file, not its path.
    static func open(_ path: String, _ release: InstalledRelease) -> OpenFile? {
        guard let file = try? OpenFile(path, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
            let status = try? file.status(), status.st_mode & S_IFMT == S_IFREG,
            let measured = try? PackageFile.measure(file),
            measured.length == release.target.length, measured.sha256 == release.target.sha256
        else { return nil }
        return file
    }
}
