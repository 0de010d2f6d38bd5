import MusterAPI
import MusterClient
import MusterModel

/// The output of nodes that wrote the same, once.
struct FoldedOutput: Sendable {
    private let service: ServiceConnection
    private let context: CommandContext

    init(_ service: ServiceConnection, _ context: CommandContext) {
        self.service = service
        self.context = context
    }

    /// Fetches and shows what the first of the nodes wrote, under the names of all.
    func show(_ group: RunSummary.Group, of run: RunID) async throws {
        guard let first = group.nodes.first else { return }
        let title = "==> \(NodeNames.folded(group.nodes.map(\.name))): \(group.outcome)"
        context.terminal.line(StyledText(title, .bold))
        guard (group.output?.bytes ?? 1) > 0 else { return }
        var lines: [RunStream: OutputLines] = [:]
        var after: Int64 = 0
        while true {
            let last = after
            let output = try await service.reading { client, session in
                try await client.runOutput(run, after: last, node: first.id, session: session)
            }
            for chunk in output.chunks {
                for line in lines[chunk.piece.stream, default: OutputLines()].add(chunk.piece.data) {
                    show(line, chunk.piece.stream)
                }
            }
            guard let newest = output.chunks.last?.sequence, newest > after else { break }
            after = newest
        }
        for stream in RunStream.allCases {
            if let line = lines[stream]?.finish() { show(line, stream) }
        }
    }

    private func show(_ line: OutputLines.Line, _ stream: RunStream) {
        for text in line.shown { context.terminal.line(StyledText(text, stream == .output ? .plain : .warning)) }
    }
}
