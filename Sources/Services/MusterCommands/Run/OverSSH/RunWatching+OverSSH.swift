import MusterAPI
import MusterClient
import MusterModel

extension RunWatching {
    /// Carries a run out from here, once it is allowed and due, and shows how it goes.
    ///
    /// Ctrl-C ends the processes and the run: nobody else would go on with it. Before the run begins it says how to end it.
    func carryOut(
        _ session: RunOverSSHSession,
        _ statement: SignedStatement,
        _ nodes: [NodeRecord],
        _ format: RunDisplay.Format
    ) async throws {
        let id = statement.statement.id
        guard case .run(let body) = statement.statement.body else { return }
        let display = RunDisplay(format, nodes: body.nodes, names: nodes.names, terminal: context.terminal)
        let allowed = try await Interruption.saying(Self.staysBehind(id)) { try await untilDue(id, display) }
        if !allowed.state.isFinal {
            let work = Task {
                try await session.carryOut(
                    statement: statement,
                    body: body,
                    nodes: nodes,
                    service: service,
                    context: context
                ) { update in await display.show(update) }
            }
            try await Interruption.cancelling("ending the processes; once more ends this program at once") {
                work.cancel()
            } body: {
                try await work.value
            }
            if work.isCancelled { try await cancel(id) }
        }
        let record = try await ended(id)
        await display.show(record)
        try await conclude(record, display)
    }

    /// What Ctrl-C says before the run begins.
    static func staysBehind(_ id: RunID) -> String {
        "the run does not begin, and nobody else can carry it out: muster run cancel \(id.text.prefix(8)) ends it"
    }

    /// Ends the run itself, where what became of its nodes has not ended it already.
    private func cancel(_ id: RunID) async throws {
        let record = try await service.reading { try await $0.run(id, session: $1) }
        guard !record.state.isFinal else { return }
        _ = try await service.authorized { client, token in
            try await client.cancelRun(id, reason: "interrupted", session: token)
        }
    }

    /// The run once it may be carried out, or is over.
    private func untilDue(_ id: RunID, _ display: RunDisplay) async throws -> RunRecord {
        var record = try await service.reading { try await $0.run(id, session: $1) }
        while record.state == .waiting || record.state == .scheduled {
            await display.show(record)
            record = try await next(record, wait: Self.idleWait)
        }
        return record
    }

    /// The run after the last result; a service that takes its time is waited for a while.
    private func ended(_ id: RunID) async throws -> RunRecord {
        var record = try await service.reading { try await $0.run(id, session: $1) }
        for _ in 0..<5 where !record.state.isFinal { record = try await next(record, wait: 2) }
        return record
    }
}
