import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct RolloutHalt: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "halt",
        abstract: "Stop a rollout where it is; no further node begins."
    )

    @OptionGroup var change: RolloutChangeOptions

    func run(_ context: CommandContext) async throws { try await change.run(.halt, context) }
}

struct RolloutResume: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Let a halted rollout go on; its failures so far no longer count."
    )

    @OptionGroup var change: RolloutChangeOptions

    func run(_ context: CommandContext) async throws { try await change.run(.resume, context) }
}

struct RolloutCancel: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "End a rollout for good; nodes keep the version that they have."
    )

    @OptionGroup var change: RolloutChangeOptions

    func run(_ context: CommandContext) async throws { try await change.run(.cancel, context) }
}

/// What halting, resuming and cancelling have in common.
struct RolloutChangeOptions: ParsableArguments {
    @Argument(help: "The rollout, by its id or the beginning of it.") var rollout: String

    @Option(help: ArgumentHelp("Why, for the others to read.", valueName: "text")) var reason = ""

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        guard reason.utf8.count <= 1024 else { throw ValidationError("--reason is longer than 1024 bytes") }
    }

    func run(_ action: MusterClient.RolloutAction, _ context: CommandContext) async throws {
        try await context.withService { service in
            let id = try await RolloutChoice.find(rollout, service)
            let record = try await service.authorized { client, session in
                try await client.change(id, action, reason: reason, session: session)
            }
            if json {
                context.terminal.json(record.json)
            } else {
                context.terminal.line(
                    StyledText("\(RolloutWords.change(record)) \(record.id.text.prefix(8)) ")
                        + RolloutWords.state(record)
                )
            }
        }
    }
}
