import Glibc
import NIOCore

/// A file's bytes in parts, read only as fast as they are sent.
public struct FileChunks: AsyncSequence, Sendable {
    /// What the sequence yields.
    public typealias Element = ByteBuffer

    /// Bytes of one part.
    public static let partLength = 262_144

    /// The file's path.
    public let path: String

    /// The bytes of the file at `path`.
    public init(path: String) {
        self.path = path
    }

    /// Starts at the beginning of the file.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(path: path) }

    /// Reads one part after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let path: String
        private var file: OpenFile?

        init(path: String) {
            self.path = path
        }

        /// The next part, or nil at the end.
        public mutating func next() async throws -> ByteBuffer? {
            let open: OpenFile
            if let file {
                open = file
            } else {
                open = try OpenFile(path)
                file = open
            }
            return try open.read(upTo: FileChunks.partLength)
        }
    }
}

/// A file descriptor that is closed with its last reference.
private final class OpenFile {
    private let descriptor: Int32
    private let path: String

    init(_ path: String) throws(HTTPTransportError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failed("cannot read \(path): \(String(cString: strerror(errno)))") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func read(upTo limit: Int) throws(HTTPTransportError) -> ByteBuffer? {
        var buffer = ByteBufferAllocator().buffer(capacity: limit)
        let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { bytes in
            var count = Glibc.read(descriptor, bytes.baseAddress, limit)
            while count < 0 && errno == EINTR { count = Glibc.read(descriptor, bytes.baseAddress, limit) }
            return Swift.max(count, 0)
        }
        return count > 0 ? buffer : nil
    }
}
