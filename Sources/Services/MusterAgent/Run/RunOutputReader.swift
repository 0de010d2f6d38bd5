import ByteCoding
import MusterAPI
import MusterSystem

/// Reads the file `output` while its supervisor writes it: see `OutputLog`.
struct RunOutputReader {
    /// Most pieces in one update.
    private static let countLimit = 1024
    /// Milliseconds within which pieces of one stream are put together.
    private static let joinable: Int64 = 20

    private let path: String
    private var file: OpenFile?
    /// Where in the file the next frame begins, and how many bytes of output came before it.
    private var frame: Int64 = 0
    private var before: Int64 = 0

    init(_ folder: RunFolder) {
        path = folder.output
    }

    /// The output from `offset` on, at most `limit` bytes; empty where there is none yet.
    mutating func read(from offset: Int64, limit: Int) throws(SystemError) -> [RunUpdate.Piece] {
        guard let file = try open() else { return [] }
        if offset < before { (frame, before) = (0, 0) }
        let length = try file.length()
        var pieces: [RunUpdate.Piece] = []
        var left = limit
        var position = frame
        var passed = before
        while left > 0, pieces.count < Self.countLimit {
            guard let header = try header(file, at: position, length) else { break }
            let skipped = min(max(0, offset - passed), header.count)
            let wanted = min(header.count - skipped, Int64(left))
            if wanted > 0 {
                let data = try Self.bytes(file, at: position + 13 + skipped, count: Int(wanted))
                guard data.count == Int(wanted) else { break }
                Self.join(RunUpdate.Piece(stream: header.stream, milliseconds: header.at, data: data), to: &pieces)
                left -= data.count
            }
            guard skipped + wanted == header.count else { break }
            position += 13 + header.count
            passed += header.count
            if passed <= offset { (frame, before) = (position, passed) }
        }
        return pieces
    }

    /// How many bytes of output are there now.
    mutating func count() throws(SystemError) -> Int64 {
        guard let file = try open() else { return 0 }
        let length = try file.length()
        var position = frame
        var passed = before
        while let header = try header(file, at: position, length) {
            position += 13 + header.count
            passed += header.count
        }
        return passed
    }

    private mutating func open() throws(SystemError) -> OpenFile? {
        if let file { return file }
        guard Directory.exists(path) else { return nil }
        file = try OpenFile(path)
        return file
    }

    /// The frame that begins there, where it is whole.
    private func header(
        _ file: OpenFile,
        at position: Int64,
        _ length: Int64
    ) throws(SystemError) -> (stream: RunStream, at: Int64, count: Int64)? {
        guard position + 13 <= length else { return nil }
        var reader = ByteReader(try Self.bytes(file, at: position, count: 13))
        guard let stream = try? reader.byte(), let at = try? reader.uint64(), let count = try? reader.uint32(),
            (1...2).contains(stream), count > 0, Int64(count) <= length - position - 13
        else { return nil }
        return (stream == 1 ? .output : .errors, Int64(clamping: at), Int64(count))
    }

    private static func bytes(_ file: OpenFile, at position: Int64, count: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(SystemError) in try file.read(into: buffer, at: position) }
        }
        let found = try result.get()
        return found == count ? bytes : Array(bytes.prefix(found))
    }

    private static func join(_ piece: RunUpdate.Piece, to pieces: inout [RunUpdate.Piece]) {
        guard let last = pieces.last, last.stream == piece.stream,
            piece.milliseconds - last.milliseconds <= joinable
        else { return pieces.append(piece) }
        pieces[pieces.count - 1] = RunUpdate.Piece(
            stream: last.stream,
            milliseconds: last.milliseconds,
            data: last.data + piece.data
        )
    }
}
