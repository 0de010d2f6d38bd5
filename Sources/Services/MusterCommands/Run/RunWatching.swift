import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

/// Follows a run by long poll, through short losses of the service.
struct RunWatching: Sendable {
    /// Seconds of one long poll for output, shorter on a screen.
    private static let wait = (screen: 1, pipe: 2)
    /// The same for anything at all while nothing can run yet.
    static let idleWait = 25
    /// Failed calls in a row until the watch gives up.
    private static let patience = 30

    let service: ServiceConnection
    let context: CommandContext

    /// Shows a run until it is over; ends with its exit status unless that is 0.
    func watch(_ id: RunID, _ format: RunDisplay.Format) async throws {
        let first = try await service.reading { try await $0.run(id, session: $1) }
        let display = RunDisplay(
            format,
            nodes: first.nodes.map(\.id),
            names: first.nodeNames,
            terminal: context.terminal
        )
        let record = try await Interruption.saying(Self.goesOn(id)) { try await follow(first, display) }
        try await conclude(record, display)
    }

    /// What Ctrl-C says.
    static func goesOn(_ id: RunID) -> String {
        "the run goes on: muster run watch \(id.text.prefix(8)), or muster run cancel \(id.text.prefix(8))"
    }

    /// Shows how a run ended; ends with its exit status unless that is 0.
    func conclude(_ record: RunRecord, _ display: RunDisplay) async throws {
        await display.finish()
        let comparing: Bool
        switch display.format {
        case .json, .lines(comparing: false): comparing = false
        case .folded, .lines(comparing: true): comparing = true
        }
        let summary = RunSummary(record, outputs: await display.outputs, comparing: comparing)
        if display.format == .folded {
            for group in summary.groups { try await FoldedOutput(service, context).show(group, of: record.id) }
        }
        if display.format == .json {
            context.terminal.jsonLine(summary.json)
        } else {
            for line in summary.lines { context.terminal.note(line) }
        }
        let status = RunSummary.status(of: record)
        if status != 0 { throw ExitCode(status) }
    }

    // MARK: - Following

    private func follow(_ first: RunRecord, _ display: RunDisplay) async throws -> RunRecord {
        var record = first
        var after: Int64 = 0
        var failures = 0
        while true {
            do {
                if record.state == .waiting || record.state == .scheduled {
                    await display.show(record)
                    record = try await next(record, wait: Self.idleWait)
                } else {
                    // What a node wrote is there before its end is: it is fetched after the record, and shown first.
                    let output = try await output(of: record, after: after)
                    for chunk in output.chunks { await display.show(chunk.piece, of: chunk.node) }
                    after = output.chunks.last?.sequence ?? after
                    await display.show(record)
                    if record.state.isFinal, output.isComplete || output.chunks.isEmpty { return record }
                    record = try await next(record, wait: 0)
                }
                failures = 0
            } catch let error as ClientError where error.status == nil && failures < Self.patience {
                failures += 1
                if failures == 1 { context.terminal.note("\(error); trying again") }
                try await Task.sleep(for: .seconds(2))
            }
        }
    }

    /// The run's record, once it has changed or the time is over.
    func next(_ record: RunRecord, wait: Int) async throws -> RunRecord {
        try await service.reading { client, session in
            try await client.run(record.id, after: wait > 0 ? record.revision : -1, wait: wait, session: session)
        }
    }

    private func output(of record: RunRecord, after: Int64) async throws -> RunOutput {
        let longest = context.terminal.kind.isScreen ? Self.wait.screen : Self.wait.pipe
        let wait = record.state.isFinal ? 0 : longest
        return try await service.reading { client, session in
            try await client.runOutput(record.id, after: after, wait: wait, session: session)
        }
    }
}

extension RunRecord {
    /// The names of its nodes by id.
    var nodeNames: [NodeID: String] { Dictionary(nodes.map { ($0.id, $0.name) }) { first, _ in first } }
}
