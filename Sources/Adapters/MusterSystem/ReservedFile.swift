import Glibc

/// A file whose space is on the disk before its content is known: it can be written when the disk is full.
public final class ReservedFile: Sendable {
    private let file: OpenFile
    private let path: String
    /// Most bytes of the content.
    public let size: Int

    /// Reserves `size` bytes beside `path`, where nothing appears before `write`.
    public init(_ path: String, size: Int) throws(SystemError) {
        self.path = path
        self.size = size
        let beside = Directory.parent(of: path) + "/." + Directory.name(of: path) + ".reserved"
        file = try OpenFile(beside, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        let code = posix_fallocate(file.descriptor, 0, off_t(size))
        guard code == 0 else {
            unlink(beside)
            throw SystemError("reserve \(size) bytes for", path, errno: code)
        }
        try file.sync()
        try Directory.sync(Directory.parent(of: path))
    }

    /// Puts the content at the path, whole; to be called once.
    public func write(_ bytes: [UInt8]) throws(SystemError) {
        guard bytes.count <= size else {
            throw SystemError("write", path, because: "\(bytes.count) bytes are more than were reserved")
        }
        try file.write(bytes)
        try file.truncate(to: Int64(bytes.count))
        try file.sync()
        try AtomicFile.rename(file.path, to: path)
    }
}
