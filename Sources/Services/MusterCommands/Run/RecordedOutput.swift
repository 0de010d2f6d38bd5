import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel

/// What one node wrote in a run, as the service kept it.
struct RecordedOutput: Sendable {
    private var pieces: [RunUpdate.Piece] = []
    private(set) var fingerprint = OutputFingerprint()

    /// The output of all nodes of a run, or of one.
    static func fetch(
        _ run: RunID,
        node: NodeID?,
        _ service: ServiceConnection
    ) async throws -> [NodeID: RecordedOutput] {
        var outputs: [NodeID: RecordedOutput] = [:]
        var after: Int64 = 0
        while true {
            let last = after
            let page = try await service.reading { client, session in
                try await client.runOutput(run, after: last, node: node, session: session)
            }
            for chunk in page.chunks { outputs[chunk.node, default: RecordedOutput()].add(chunk.piece) }
            guard let newest = page.chunks.last?.sequence, newest > after else { return outputs }
            after = newest
        }
    }

    private mutating func add(_ piece: RunUpdate.Piece) {
        pieces.append(piece)
        fingerprint.add(piece)
    }

    /// The lines, harmless for a terminal, in the order in which they became whole.
    var lines: [(String, RunStream)] {
        var open: [RunStream: OutputLines] = [:]
        var lines: [(String, RunStream)] = []
        for piece in pieces {
            for line in open[piece.stream, default: OutputLines()].add(piece.data) {
                lines += line.shown.map { ($0, piece.stream) }
            }
        }
        for stream in RunStream.allCases {
            if let line = open[stream]?.finish() { lines += line.shown.map { ($0, stream) } }
        }
        return lines
    }

    /// `{"node", "name", "out", "err"}`; what is no UTF-8 is `out_base64` or `err_base64`.
    func json(_ node: RunRecord.Node) -> JSONValue {
        var object: JSONObject = ["node": JSONValue(node.id), "name": .string(node.name)]
        for stream in RunStream.allCases {
            let bytes = pieces.filter { $0.stream == stream }.flatMap(\.data)
            if let text = String(validating: bytes, as: UTF8.self) {
                object[stream.rawValue] = .string(text)
            } else {
                object[stream.rawValue + "_base64"] = .string(Base64.encode(bytes))
            }
        }
        return .object(object)
    }
}
