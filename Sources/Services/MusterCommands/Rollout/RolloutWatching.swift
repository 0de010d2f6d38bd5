import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

/// Follows a rollout by long poll, through short losses of the service.
struct RolloutWatching: Sendable {
    /// Seconds of one long poll: short on a screen, where the time left is counted down.
    private static let wait = (screen: 2, pipe: 25)
    /// Failed calls in a row until the watch gives up.
    private static let patience = 15

    let service: ServiceConnection
    let context: CommandContext
    let json: Bool

    /// Shows the rollout until it is over; ends with exit status 1 unless it is complete.
    func watch(_ id: RolloutID) async throws {
        var shown: RolloutRecord?
        var failures = 0
        while true {
            do {
                let next = try await next(id, after: shown)
                failures = 0
                if let next { show(next, after: shown) } else if let shown { show(shown, after: shown) }
                shown = next ?? shown
            } catch let error as ClientError where error.status == nil && failures < Self.patience {
                failures += 1
                if failures == 1 { context.terminal.note("\(error); trying again") }
                try await Task.sleep(for: .seconds(2))
            }
            guard let record = shown, RolloutWords.isOver(record) else { continue }
            context.terminal.endDrawing()
            if record.state == "complete" { return }
            throw ExitCode(1)
        }
    }

    private func next(_ id: RolloutID, after shown: RolloutRecord?) async throws -> RolloutRecord? {
        let wait = context.terminal.kind.isScreen && !json ? Self.wait.screen : Self.wait.pipe
        return try await service.reading { client, session in
            guard let shown else { return try await client.rollout(id, session: session) }
            return try await client.rollout(id, after: shown.revision, wait: wait, session: session)
        }
    }

    private func show(_ record: RolloutRecord, after shown: RolloutRecord?) {
        let terminal = context.terminal
        let display = RolloutDisplay(now: context.now(), columns: terminal.kind.columns)
        if json {
            if record.revision != shown?.revision { terminal.jsonLine(record.json) }
        } else if terminal.kind.isScreen {
            terminal.draw(display.screen(record))
        } else {
            for line in display.changes(from: shown, to: record) { terminal.line(line) }
        }
    }
}
