import Glibc
import MusterSystem

/// Room on the disk that is kept for the way back: whatever fills the disk meanwhile, the journal can be written and the
/// previous version be unpacked.
///
/// Taken before the package manager begins, given up when it is needed, and at the end. On the disk of the agent's own state,
/// which is that of the packages on most machines.
struct RollbackReserve: Sendable {
    /// For the journal and the node's other documents.
    private static let documents: Int64 = 4 << 20
    /// How much larger than its file a package may be once it is unpacked; more is not kept free.
    private static let growth: Int64 = 4
    /// Most bytes that are kept.
    private static let limit: Int64 = 512 << 20

    /// The file.
    let path: String

    /// Keeps room for going back to a package file of `length` bytes; an error says that there is none.
    func take(length: Int64) throws(SystemError) {
        let size = min(Self.limit, Self.documents + min(length, Self.limit) * Self.growth)
        let file = try OpenFile(path, flags: O_WRONLY | O_CREAT | O_NOFOLLOW)
        if try file.length() == size { return }
        try file.truncate(to: 0)
        let code = posix_fallocate(file.descriptor, 0, off_t(size))
        guard code == 0 else {
            unlink(path)
            throw SystemError("keep \(size) bytes free with", path, errno: code)
        }
        try file.sync()
    }

    /// Gives the room free; nothing where there is none.
    func release() {
        unlink(path)
    }
}
