import MusterAPI
import SignatureVerification

/// What a node wrote, as far as it takes to tell whether another one wrote the same.
struct OutputFingerprint: Sendable {
    private var output = StreamingDigest(.sha256)
    private var errors = StreamingDigest(.sha256)
    private(set) var bytes = 0
    private(set) var lines = 0
    private var endsWithNewline = true

    mutating func add(_ piece: RunUpdate.Piece) {
        switch piece.stream {
        case .output: output.update(piece.data)
        case .errors: errors.update(piece.data)
        }
        bytes += piece.data.count
        lines += piece.data.count { $0 == UInt8(ascii: "\n") }
        if let last = piece.data.last { endsWithNewline = last == UInt8(ascii: "\n") }
    }

    /// The same for the same bytes on each stream, however they were cut.
    var digest: [UInt8] { output.finish() + errors.finish() }

    /// `no output`, `1 line`, `12 lines`.
    var size: String {
        let count = lines + (endsWithNewline ? 0 : 1)
        return bytes == 0 ? "no output" : RunWords.count(count, "line")
    }
}
