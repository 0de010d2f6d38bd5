import CLinux
import Glibc

/// Two connected descriptors, both close-on-exec.
public struct Pipe: ~Copyable {
    /// The end that is read.
    public let readEnd: OpenFile
    /// The end that is written.
    public let writeEnd: OpenFile

    /// A new pipe.
    public init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw SystemError("create", "a pipe", errno: errno) }
        readEnd = OpenFile(descriptor: ends[0], path: "pipe")
        writeEnd = OpenFile(descriptor: ends[1], path: "pipe")
    }

    /// Keeps the end for reading, without blocking; the other one is closed with this value.
    public consuming func keepReadEnd() -> OpenFile {
        _ = fcntl(readEnd.descriptor, F_SETFL, O_NONBLOCK)
        return readEnd
    }

    /// Keeps the end for writing, without blocking; the other one is closed with this value.
    public consuming func keepWriteEnd() -> OpenFile {
        _ = fcntl(writeEnd.descriptor, F_SETFL, O_NONBLOCK)
        return writeEnd
    }
}
