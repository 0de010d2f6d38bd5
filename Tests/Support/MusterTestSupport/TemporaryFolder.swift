import Glibc
import MusterSystem

/// A folder of its own for one test, removed with everything in it when nobody refers to it any more.
public final class TemporaryFolder: Sendable {
    /// The folder's path.
    public let path: String

    /// Creates the folder below `TMPDIR`, which is `/tmp` unless told.
    public init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        path = parent + "/muster-test-\(getpid())-\(String(UInt64.random(in: .min ... .max), radix: 36))"
        try Directory.create(path, mode: 0o700)
    }

    deinit { Self.removeTree(path) }

    /// A path below the folder.
    public func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file below the folder and returns its path.
    @discardableResult
    public func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
        try Directory.create(Directory.parent(of: file(name)), mode: 0o755)
        try AtomicFile.write(Array(bytes), to: file(name), mode: 0o644)
        return file(name)
    }

    /// Names of everything in it, sorted.
    public func names(in folder: String = "") throws -> [String] {
        let whole = folder.isEmpty ? path : path + "/" + folder
        return Directory.exists(whole) ? try Directory.entries(whole) : []
    }

    /// The bytes of a file in it; nil where there is none.
    public func read(_ name: String) throws -> [UInt8]? {
        try BoundedFile.readIfPresent(path + "/" + name, limit: 10_000_000)
    }

    /// Removes a file, or a folder with everything in it; symbolic links are not followed.
    static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in (try? Directory.entries(path)) ?? [] { removeTree(path + "/" + name) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
