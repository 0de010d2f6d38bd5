import ArgumentParser
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel

struct RolloutList: ContextCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "All rollouts, newest first.")

    @Flag(help: "Only those that are not over.") var open = false

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let rollouts = try await context.withService { service in
            try await service.reading { try await $0.rollouts(session: $1) }
        }
        let chosen = rollouts.filter { !open || !["complete", "cancelled", "expired"].contains($0.state) }
            .sorted { $0.started > $1.started }
        if json {
            context.terminal.json(["items": .array(chosen.map(\.json))])
            return
        }
        guard !chosen.isEmpty else {
            context.terminal.note("no rollouts: muster rollout start PACKAGE")
            return
        }
        var table = Table("ROLLOUT", "CHANGE", "BY", "STARTED", "STAGE", "CONFIRMED", "FAILED", "STATE")
        for record in chosen {
            let done = record.stages.reduce(0) { $0 + $1.done }
            let failed = record.stages.reduce(0) { $0 + $1.failed }
            let stage = record.stages.prefix { $0.state == "complete" }.count
            table.row(
                StyledText(String(record.id.text.prefix(8)), .bold),
                StyledText(RolloutWords.change(record)),
                StyledText(record.statement.statement.requester.text),
                StyledText(Moments.ago(record.started, now: context.now())),
                StyledText("\(min(stage + 1, record.stages.count))/\(record.stages.count)"),
                StyledText("\(done)/\(record.stages.reduce(0) { $0 + $1.size })"),
                StyledText("\(failed)", failed > 0 ? .loud : .faint),
                RolloutWords.state(record)
            )
        }
        context.terminal.table(table)
    }
}
