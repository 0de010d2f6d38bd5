import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct RolloutShow: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "One rollout: what was signed, by whom, its stages and nodes."
    )

    @Argument(help: "The rollout, by its id or the beginning of it.") var rollout: String

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let record = try await context.withService { service in
            let id = try await RolloutChoice.find(rollout, service)
            return try await service.reading { try await $0.rollout(id, session: $1) }
        }
        if json {
            context.terminal.json(record.json)
            return
        }
        let terminal = context.terminal
        let statement = record.statement.statement
        terminal.line(StyledText("rollout \(record.id) ", .bold) + RolloutWords.state(record))
        if let body = statement.body.packageChange {
            for line in RolloutWords.lines(of: body, isRollBack: statement.type == .rollBack) { terminal.line(line) }
        }
        terminal.line(
            "  asked for by \(statement.requester) at \(statement.issued), good until \(statement.expires), signed by "
                + record.signers.map(\.text).joined(separator: ", ")
        )
        let display = RolloutDisplay(now: context.now(), columns: terminal.kind.isScreen ? terminal.kind.columns : 1000)
        for line in display.screen(record).dropFirst() { terminal.line(line) }
        var table = Table("NODE", "STAGE", "STATE", "VERSION", "REASON")
        for node in record.nodes {
            table.row(
                StyledText(node.name),
                StyledText("\(node.stage + 1)"),
                StyledText(node.state),
                StyledText(node.version),
                StyledText(node.reason)
            )
        }
        if !table.isEmpty { terminal.table(table) }
    }
}
