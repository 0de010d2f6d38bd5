import Glibc
import MusterSystem
import Synchronization

/// What a file says, read again whenever the file was replaced or written to.
///
/// A file that cannot be read or understood is an error each time, never the content that it had before.
final class ChangingFile<Value: Sendable>: Sendable {
    /// What tells one state of a file from another.
    private struct Stamp: Equatable, Sendable {
        let device: UInt64
        let inode: UInt64
        let length: Int64
        let seconds: Int
        let nanoseconds: Int
        let changedSeconds: Int
        let changedNanoseconds: Int
    }

    private let path: String
    private let limit: Int
    private let parse: @Sendable ([UInt8]) throws(TailnetError) -> Value
    private let known = Mutex<(stamp: Stamp, value: Value)?>(nil)

    init(_ path: String, limit: Int, parse: @escaping @Sendable ([UInt8]) throws(TailnetError) -> Value) {
        self.path = path
        self.limit = limit
        self.parse = parse
    }

    /// What the file says now.
    func value() throws(TailnetError) -> Value {
        if let stamp = Self.stamp(path), let found = known.withLock({ $0?.stamp == stamp ? $0?.value : nil }) {
            return found
        }
        let bytes: [UInt8]
        let stamp: Stamp?
        do throws(SystemError) {
            let file = try OpenFile(path, flags: O_RDONLY | O_NONBLOCK)
            let status = try file.status()
            guard status.st_mode & 0o022 == 0 else {
                throw SystemError("believe", path, because: "others may write it: chmod go-w it")
            }
            stamp = Self.stamp(status)
            bytes = try BoundedFile.read(file, limit: limit)
        } catch {
            throw TailnetError("\(error)")
        }
        let value = try parse(bytes)
        if let stamp { known.withLock { $0 = (stamp, value) } }
        return value
    }

    private static func stamp(_ path: String) -> Stamp? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return stamp(status)
    }

    private static func stamp(_ status: stat) -> Stamp {
        Stamp(
            device: UInt64(status.st_dev),
            inode: UInt64(status.st_ino),
            length: Int64(status.st_size),
            seconds: Int(status.st_mtim.tv_sec),
            nanoseconds: Int(status.st_mtim.tv_nsec),
            changedSeconds: Int(status.st_ctim.tv_sec),
            changedNanoseconds: Int(status.st_ctim.tv_nsec)
        )
    }
}
