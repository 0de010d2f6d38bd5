import CLibArchive
import MusterSystem

/// One archive of libarchive, read by pulling pieces from a source; ends with this object.
///
/// Of libarchive's pointers only that to a header leaves this file.
final class ArchiveReader {
    /// Where the bytes come from.
    enum Source {
        /// An open file, from an offset to its end.
        case file(OpenFile, from: Int64)
        /// The member that another archive stands at.
        case member(ArchiveReader)
    }

    private let library: ArchiveLibrary
    private let handle: OpaquePointer
    private let source: Source
    private let buffer: UnsafeMutableRawBufferPointer
    private var offset: Int64 = 0
    /// The error of the source, which libarchive can only pass on as a text.
    private var failure: PackageError?

    /// An archive of the given format and compression, opened.
    init(_ source: Source, enable: (clibarchive, OpaquePointer) -> Void) throws(PackageError) {
        switch source {
        case .file(_, let start):
            library = try ArchiveLibrary()
            offset = start
        case .member(let outer): library = outer.library
        }
        guard let handle = library.functions.archive_read_new() else {
            throw PackageError(.unreadable, "libarchive has no memory")
        }
        self.handle = handle
        self.source = source
        buffer = .allocate(byteCount: 65536, alignment: 16)
        enable(functions, handle)
        let context = Unmanaged.passUnretained(self).toOpaque()
        guard functions.archive_read_open2(handle, context, nil, readPiece, nil, nil) == ARCHIVE_OK else {
            throw error("open")
        }
    }

    deinit {
        _ = functions.archive_read_free(handle)
        buffer.deallocate()
    }

    /// libarchive's functions, each under its own name.
    var functions: clibarchive { library.functions }

    /// Goes to the next member; nil at the end.
    func next() throws(PackageError) -> OpaquePointer? {
        var entry: OpaquePointer?
        switch functions.archive_read_next_header(handle, &entry) {
        case ARCHIVE_OK: return entry
        case ARCHIVE_EOF: return nil
        // A warning is something libarchive guessed at; dpkg might guess otherwise.
        default: throw error("read a header")
        }
    }

    /// Reads the current member to its end, at most `limit` bytes, passing pieces on; returns how many.
    func readMember(limit: Int64, _ body: (UnsafeRawBufferPointer) -> Void) throws(PackageError) -> Int64 {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { piece.deallocate() }
        var total: Int64 = 0
        while true {
            let count = try read(into: piece)
            if count == 0 { return total }
            total += Int64(count)
            guard total <= limit else { throw PackageError(.tooLarge, "a member is longer than \(limit) bytes") }
            body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }

    fileprivate func read(into piece: UnsafeMutableRawBufferPointer) throws(PackageError) -> Int {
        let count = functions.archive_read_data(handle, piece.baseAddress, piece.count)
        guard count >= 0 else { throw error("read") }
        return Int(count)
    }

    /// The next piece for libarchive: nil after a failure, which `error` then tells.
    fileprivate func pull() -> UnsafeRawBufferPointer? {
        do throws(PackageError) {
            let count: Int
            switch source {
            case .file(let file, _): count = try Self.read(file, into: buffer, at: offset)
            case .member(let outer): count = try outer.read(into: buffer)
            }
            offset += Int64(count)
            return UnsafeRawBufferPointer(rebasing: buffer[..<count])
        } catch {
            failure = error
            return nil
        }
    }

    private static func read(
        _ file: OpenFile,
        into buffer: UnsafeMutableRawBufferPointer,
        at offset: Int64
    ) throws(PackageError) -> Int {
        do throws(SystemError) {
            return try file.read(into: buffer, at: offset)
        } catch {
            throw PackageError(error)
        }
    }

    private func error(_ attempt: String) -> PackageError {
        if let failure { return failure }
        let reason = functions.archive_error_string(handle).map { String(cString: $0) } ?? "the archive is damaged"
        return PackageError(.malformed, "cannot \(attempt) the archive: \(reason)")
    }
}

/// libarchive's read callback; `context` is an `ArchiveReader` that outlives the archive.
private nonisolated func readPiece(
    _ archive: OpaquePointer?,
    _ context: UnsafeMutableRawPointer?,
    _ piece: UnsafeMutablePointer<UnsafeRawPointer?>?
) -> Int {
    guard let context, let piece else { return -1 }
    let reader = Unmanaged<ArchiveReader>.fromOpaque(context).takeUnretainedValue()
    guard let bytes = reader.pull() else { return -1 }
    piece.pointee = bytes.baseAddress
    return bytes.count
}
