import Glibc

/// An exclusive lock on a file, held until this object goes away or the process ends, however it ends.
public final class FileLock: Sendable {
    private let file: OpenFile

    private init(_ file: OpenFile) {
        self.file = file
    }

    /// The lock on `path`, which is created where missing, or nil when another process holds it.
    public static func tryAcquire(_ path: String) throws(SystemError) -> FileLock? {
        for _ in 0..<attempts {
            let file = try OpenFile(path, flags: O_RDWR | O_CREAT | O_NOFOLLOW)
            guard retrying({ flock(file.descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
                if errno == EWOULDBLOCK { return nil }
                throw SystemError("lock", path, errno: errno)
            }
            if isStill(file, at: path) { return FileLock(file) }
        }
        return nil
    }

    /// How often a file is opened again that its holder has removed in between.
    private static let attempts = 100

    /// Whether the path still names the file: the lock on a removed one keeps nobody away.
    private static func isStill(_ file: OpenFile, at path: String) -> Bool {
        var there = stat()
        guard let own = try? file.status(), lstat(path, &there) == 0 else { return false }
        return own.st_dev == there.st_dev && own.st_ino == there.st_ino
    }

    /// The lock on `path`; an error that says so when another process holds it.
    public static func acquire(_ path: String) throws(SystemError) -> FileLock {
        guard let lock = try tryAcquire(path) else {
            throw SystemError("lock", path, because: "another process holds it; is the program already running?")
        }
        return lock
    }
}
