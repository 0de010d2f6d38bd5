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
