import Glibc
import MusterSystem

/// sshd's rule for the principals command: the file and all folders above it are root's, and nobody else may write them.
///
/// sshd refuses every certificate where the rule is broken, and says so only in its log.
enum PathSafety {
    /// Where an account that is not root is stopped on its way to a file; nil where it can read it.
    static func obstruction(on path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        guard status.st_mode & 0o004 != 0 else { return path }
        var place = path
        while place != "/", place != "." {
            place = Directory.parent(of: place)
            guard stat(place, &status) == 0, status.st_mode & 0o001 != 0 else { return place }
        }
        return nil
    }

    /// What breaks the rule; nil where nothing does.
    static func objection(to path: String) -> String? {
        guard let real = SSHDReload.realPath(path) else { return "\(path) does not exist" }
        var status = stat()
        guard stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return "\(real) is not a file" }
        var place = real
        while true {
            guard stat(place, &status) == 0 else { return "\(place) cannot be examined" }
            guard status.st_uid == 0 else { return "\(place) does not belong to root" }
            guard status.st_mode & 0o022 == 0 else { return "others than root may write \(place)" }
            if place == "/" { return nil }
            place = Directory.parent(of: place)
        }
    }
}
