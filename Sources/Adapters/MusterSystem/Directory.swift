import CLinux
import Glibc

/// Folders, and the names within a path.
public enum Directory {
    /// Creates `path` and the folders above it where they are missing; `mode` is for those that it creates.
    public static func create(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
        if mkdir(path, mode) == 0 { return try sync(parent(of: path)) }
        switch errno {
        case EEXIST:
            guard try isDirectory(path) else { throw SystemError("create folder", path, errno: ENOTDIR) }
        case ENOENT where parent(of: path) != path:
            try create(parent(of: path), mode: mode)
            guard mkdir(path, mode) == 0 || errno == EEXIST else {
                throw SystemError("create folder", path, errno: errno)
            }
            try sync(parent(of: path))
        default:
            throw SystemError("create folder", path, errno: errno)
        }
    }

    /// Removes an empty folder for good; no error where it does not exist.
    public static func remove(_ path: String) throws(SystemError) {
        guard rmdir(path) == 0 else {
            if errno == ENOENT { return }
            throw SystemError("remove folder", path, errno: errno)
        }
        try sync(parent(of: path))
    }

    /// Names in the folder, sorted, without `.` and `..`; at most `limit`.
    public static func entries(_ path: String, limit: Int = 100_000) throws(SystemError) -> [String] {
        guard let stream = opendir(path) else { throw SystemError("list", path, errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            guard names.count < limit else { throw SystemError("list", path, because: "more than \(limit) entries") }
            names.append(name)
        }
        return names.sorted()
    }

    /// Whether anything has this path, be it a broken symbolic link.
    public static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Waits until the names in the folder are on the disk.
    public static func sync(_ path: String) throws(SystemError) {
        try OpenFile(path, flags: O_RDONLY | O_DIRECTORY).sync()
    }

    /// Waits until everything that was written to the file system that holds `path` is on the disk.
    public static func syncFileSystem(_ path: String) throws(SystemError) {
        let folder = try OpenFile(path, flags: O_RDONLY | O_DIRECTORY)
        guard clinux_sync_file_system(folder.descriptor) == 0 else {
            throw SystemError("sync the file system of", path, errno: errno)
        }
    }

    /// Swaps what two paths of one folder mean, in one step, and syncs the folder.
    public static func exchange(_ one: String, _ other: String) throws(SystemError) {
        guard clinux_exchange(one, other) == 0 else {
            throw SystemError("exchange", "\(one) and \(other)", errno: errno)
        }
        try sync(parent(of: one))
    }

    /// Makes a folder with everything in it disappear: follows no symbolic link; no error where it does not exist.
    public static func removeTree(_ path: String) throws(SystemError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw SystemError("examine", path, errno: errno)
        }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in try entries(path, limit: 10_000_000) { try removeTree(path + "/" + name) }
            guard rmdir(path) == 0 || errno == ENOENT else { throw SystemError("remove folder", path, errno: errno) }
        } else {
            guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove", path, errno: errno) }
        }
    }

    /// Bytes that an unprivileged writer can still put on the disk that holds `path`.
    public static func freeBytes(_ path: String) throws(SystemError) -> Int64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw SystemError("measure the disk of", path, errno: errno) }
        return Int64(
            clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue
        )
    }

    /// The folder part of a path: `/a` of `/a/b`, `.` of `b`.
    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The last part of a path.
    public static func name(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return path }
        return String(path[path.index(after: slash)...])
    }

    private static func isDirectory(_ path: String) throws(SystemError) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError("examine", path, errno: errno) }
        return status.st_mode & S_IFMT == S_IFDIR
    }
}
