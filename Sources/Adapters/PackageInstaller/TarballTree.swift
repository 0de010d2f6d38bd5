import Glibc
import MusterSystem

/// Unpacks a tarball into a new folder that nobody else writes to; what is written is whole and on the disk after `finish`.
///
/// Everything belongs to us. Of the permissions only those count that let the owner more, and others read and run.
final class TarballTree: TarballSink {
    private let root: String
    /// Paths in the order in which they were made, and the mode of each.
    private var folders: [String] = []
    private var modes: [[UInt8]: UInt32] = [:]
    private var file: OpenFile?
    private var failure: PackageError?
    private var mode: UInt32 = 0

    /// A tree below `root`, which must not exist.
    init(_ root: String) {
        self.root = root
    }

    func folder(_ path: String, permissions: UInt32?) throws(PackageError) {
        let isNew = modes.updateValue((permissions ?? 0o755) & 0o755 | 0o700, forKey: Array(path.utf8)) == nil
        guard isNew else { return }
        folders.append(path)
        try attempt("create folder", path) { mkdir($0, 0o700) }
    }

    func begin(_ path: String, permissions: UInt32) throws(PackageError) {
        mode = permissions & 0o755 | 0o400
        do throws(SystemError) {
            file = try OpenFile(place(path), flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        } catch {
            throw PackageError(error)
        }
    }

    func piece(_ bytes: UnsafeRawBufferPointer) {
        guard failure == nil else { return }
        do throws(SystemError) {
            try file?.write(bytes)
        } catch {
            failure = PackageError(error)
        }
    }

    func end() throws(PackageError) {
        if let failure { throw failure }
        guard let file else { return }
        guard fchmod(file.descriptor, mode) == 0 else {
            throw PackageError(SystemError("set the mode of", file.path, errno: errno))
        }
        self.file = nil
    }

    func link(_ path: String, to target: String) throws(PackageError) {
        try attempt("link", path) { symlink(target, $0) }
    }

    func hardLink(_ path: String, to other: String) throws(PackageError) {
        try attempt("link", path) { Glibc.link(place(other), $0) }
    }

    /// Gives the folders their modes, the innermost first, and waits until all is on the disk.
    func finish() throws(PackageError) {
        for path in folders.reversed() {
            try attempt("set the mode of", path) { chmod($0, modes[Array(path.utf8)] ?? 0o700) }
        }
        do throws(SystemError) {
            try Directory.syncFileSystem(root)
        } catch {
            throw PackageError(error)
        }
    }

    private func place(_ path: String) -> String { path.isEmpty ? root : root + "/" + path }

    private func attempt(_ what: String, _ path: String, _ body: (String) -> Int32) throws(PackageError) {
        guard body(place(path)) == 0 else { throw PackageError(SystemError(what, place(path), errno: errno)) }
    }
}
