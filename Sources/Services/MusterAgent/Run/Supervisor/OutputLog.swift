import ByteCoding
import Glibc
import MusterAPI
import MusterSystem

/// The file `output`: what a process wrote, in order, up to a limit.
///
/// ```
/// stream (1 byte: 1 out, 2 err) | milliseconds since the start (8) | length (4) | that many bytes     again and again
/// ```
/// Big-endian. A frame that is not whole is being written, or never will be.
struct OutputLog {
    /// Most bytes in one frame.
    static let pieceLimit = 65536
    /// Bytes in front of a piece.
    static let headerLength = 13

    /// How many bytes of output are in the file.
    private(set) var count: Int64 = 0
    /// Whether some were dropped.
    private(set) var isTruncated = false
    /// Why the disk did not take more; nil where it did.
    private(set) var failure: SystemError?

    private let file: OpenFile
    private let limit: Int64
    private var length: Int64 = 0

    /// A new file that takes at most `limit` bytes of output.
    init(_ path: String, limit: Int64) throws(SystemError) {
        file = try OpenFile(path, flags: O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW)
        self.limit = limit
    }

    /// Whether nothing more is kept: no need to look at what comes.
    var isFull: Bool { failure != nil || count >= limit }

    /// Notes that output was dropped unseen.
    mutating func drop() { isTruncated = true }

    /// Adds output as far as there is room; never fails, since the process must go on.
    mutating func append(_ bytes: [UInt8], _ stream: RunStream, at milliseconds: Int64) {
        guard !bytes.isEmpty else { return }
        guard failure == nil else {
            isTruncated = true
            return
        }
        let kept = bytes.prefix(Int(min(Int64(bytes.count), limit - count)))
        if kept.count < bytes.count { isTruncated = true }
        var rest = kept
        while !rest.isEmpty, failure == nil {
            write(rest.prefix(Self.pieceLimit), stream, milliseconds)
            rest = rest.dropFirst(Self.pieceLimit)
        }
    }

    private mutating func write(_ piece: ArraySlice<UInt8>, _ stream: RunStream, _ milliseconds: Int64) {
        var writer = ByteWriter(capacity: Self.headerLength + piece.count)
        writer.byte(stream == .output ? 1 : 2)
        writer.uint64(UInt64(max(0, milliseconds)))
        writer.string(piece)
        do throws(SystemError) {
            try file.write(writer.bytes)
            length += Int64(writer.bytes.count)
            count += Int64(piece.count)
        } catch {
            // Half a frame must not be taken for the beginning of a whole one.
            try? file.truncate(to: length)
            failure = error
            isTruncated = true
        }
    }

    /// Waits until everything is on the disk.
    mutating func sync() {
        do throws(SystemError) {
            try file.sync()
        } catch {
            failure = failure ?? error
        }
    }
}
