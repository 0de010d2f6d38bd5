import Glibc

/// Files that are replaced whole: after a crash there is the old file or the new one, never a mixture.
public enum AtomicFile {
    /// Writes `bytes` to a new file beside `path`, syncs it, renames it over `path` and syncs the folder.
    ///
    /// The file is created with `mode`, so it is never readable by more than that. On an error `path` is as it was.
    public static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600) throws(SystemError) {
        try replace(path, mode) { temporary throws(SystemError) in try temporary.write(bytes) }
    }

    /// Writes `bytes` to `path` where nothing has that name yet; false where something has.
    ///
    /// Of several who try, one alone gets true. Synced like `write`.
    public static func create(_ bytes: [UInt8], at path: String, mode: UInt32 = 0o600) throws(SystemError) -> Bool {
        let temporary = try Self.temporary(for: path, mode: mode)
        defer { unlink(temporary.path) }
        try temporary.write(bytes)
        try temporary.sync()
        guard link(temporary.path, path) == 0 else {
            if errno == EEXIST { return false }
            throw SystemError("create", path, errno: errno)
        }
        try Directory.sync(Directory.parent(of: path))
        return true
    }

    /// Copies the contents of the file `source` to `path`, replacing it whole; synced like `write`.
    public static func copy(_ source: String, to path: String, mode: UInt32 = 0o600) throws(SystemError) {
        let from = try OpenFile(source)
        try replace(path, mode) { temporary throws(SystemError) in
            var failure: SystemError?
            try from.forEachPiece { piece in
                guard failure == nil else { return }
                do throws(SystemError) {
                    try temporary.write(piece)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
        }
    }

    /// Makes `path` a symbolic link to `target` in one step: whoever looks sees the old one or the new one.
    public static func pointLink(_ path: String, to target: String) throws(SystemError) {
        var generator = SystemRandomNumberGenerator()
        let temporary =
            Directory.parent(of: path)
            + "/.\(Directory.name(of: path)).\(String(generator.next(), radix: 16)).new"
        guard symlink(target, temporary) == 0 else { throw SystemError("link", path, errno: errno) }
        do throws(SystemError) {
            try rename(temporary, to: path)
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Removes `path` for good; no error where it does not exist.
    public static func remove(_ path: String) throws(SystemError) {
        guard unlink(path) == 0 else {
            if errno == ENOENT { return }
            throw SystemError("remove", path, errno: errno)
        }
        try Directory.sync(Directory.parent(of: path))
    }

    /// Renames `from` to `to`, replacing it, and syncs the folder of `to`.
    public static func rename(_ from: String, to: String) throws(SystemError) {
        guard Glibc.rename(from, to) == 0 else { throw SystemError("rename", "\(from) to \(to)", errno: errno) }
        try Directory.sync(Directory.parent(of: to))
    }

    /// What `fill` writes into a new file beside `path` takes its place, on the disk; on an error `path` is as it was.
    private static func replace(
        _ path: String,
        _ mode: UInt32,
        _ fill: (OpenFile) throws(SystemError) -> Void
    ) throws(SystemError) {
        let temporary = try Self.temporary(for: path, mode: mode)
        do throws(SystemError) {
            try fill(temporary)
            try temporary.sync()
            guard Glibc.rename(temporary.path, path) == 0 else { throw SystemError("replace", path, errno: errno) }
        } catch {
            unlink(temporary.path)
            throw error
        }
        try Directory.sync(Directory.parent(of: path))
    }

    private static func temporary(for path: String, mode: UInt32) throws(SystemError) -> OpenFile {
        var generator = SystemRandomNumberGenerator()
        let name = ".\(Directory.name(of: path)).\(String(generator.next(), radix: 16)).new"
        let temporary = Directory.parent(of: path) + "/" + name
        let file: OpenFile
        do throws(SystemError) {
            file = try OpenFile(temporary, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
        } catch {
            throw SystemError("create a file beside", path, errno: error.code)
        }
        // The process's umask only ever takes bits away; a mode that was asked for is given whole.
        fchmod(file.descriptor, mode)
        return file
    }
}
