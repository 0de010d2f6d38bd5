import Glibc

/// An open file that is closed when nobody refers to it any more.
///
/// Every method is safe in any thread: reads name their offset, so no position is shared.
public final class OpenFile: Sendable {
    /// The descriptor, valid as long as this object lives; always close-on-exec.
    public let descriptor: Int32
    /// The path it was opened by, for messages only: the file may have another name by now, or none.
    public let path: String

    /// Takes over an open descriptor.
    public init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens `path` with `flags` (close-on-exec is added), creating with `mode` where `O_CREAT` is among them.
    public init(_ path: String, flags: Int32 = O_RDONLY, mode: UInt32 = 0o600) throws(SystemError) {
        let descriptor = retrying { open(path, flags | O_CLOEXEC, mode) }
        guard descriptor >= 0 else { throw SystemError("open", path, errno: errno) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// The file's length in bytes.
    public func length() throws(SystemError) -> Int64 {
        Int64(try status().st_size)
    }

    /// What `fstat` says.
    public func status() throws(SystemError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemError("examine", path, errno: errno) }
        return status
    }

    /// Reads into `buffer` from `offset`; returns how many bytes, 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SystemError) -> Int {
        let count = retrying { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) }
        guard count >= 0 else { throw SystemError("read", path, errno: errno) }
        return count
    }

    /// At most `count` bytes from `offset` on; fewer at the file's end.
    public func bytes(_ count: Int, at offset: Int64) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let result = bytes.withUnsafeMutableBytes { buffer in
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                return Result { () throws(SystemError) in try read(into: rest, at: offset + Int64(filled)) }
            }
            let more = try result.get()
            if more == 0 { break }
            filled += more
        }
        bytes.removeLast(count - filled)
        return bytes
    }

    /// Calls `body` with one piece of at most `size` bytes after another, from the beginning to the end.
    public func forEachPiece(
        size: Int = 1 << 18,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while true {
            let count = try read(into: buffer, at: offset)
            if count == 0 { return }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
        }
    }

    /// Writes all of `bytes` at the descriptor's position.
    public func write(_ bytes: some Collection<UInt8>) throws(SystemError) {
        var failure: SystemError?
        let contiguous: Void? = bytes.withContiguousStorageIfAvailable {
            failure = self.failureOfWriting(UnsafeRawBufferPointer($0))
        }
        if contiguous == nil { Array(bytes).withUnsafeBytes { failure = self.failureOfWriting($0) } }
        if let failure { throw failure }
    }

    /// Writes a piece at the descriptor's position.
    public func write(_ piece: UnsafeRawBufferPointer) throws(SystemError) {
        if let failure = failureOfWriting(piece) { throw failure }
    }

    /// Cuts the file to `length` bytes.
    public func truncate(to length: Int64) throws(SystemError) {
        guard retrying({ Int(ftruncate(descriptor, off_t(length))) }) == 0 else {
            throw SystemError("cut", path, errno: errno)
        }
    }

    /// Waits until the contents are on the disk.
    public func sync() throws(SystemError) {
        guard retrying({ Int(fsync(descriptor)) }) == 0 else { throw SystemError("sync", path, errno: errno) }
    }

    private func failureOfWriting(_ buffer: UnsafeRawBufferPointer) -> SystemError? {
        var rest = buffer
        while !rest.isEmpty {
            let count = retrying { Glibc.write(descriptor, rest.baseAddress, rest.count) }
            guard count > 0 else { return SystemError("write", path, errno: count == 0 ? EIO : errno) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return nil
    }
}

/// Repeats a call that a signal interrupted.
func retrying<Result: FixedWidthInteger & SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
