import ArgumentParser

struct RolloutWatch: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follow a rollout until it is over.",
        discussion: """
            A live picture on a terminal, a line for each change in a pipe, a JSON document a line with --json.

            exit status: 0 complete; 1 halted, cancelled or expired; 2 it could not be found out.
            """
    )

    @Argument(help: "The rollout, by its id or the beginning of it.") var rollout: String

    @Flag(help: "As JSON, one document a line.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let id = try await RolloutChoice.find(rollout, service)
            try await RolloutWatching(service: service, context: context, json: json).watch(id)
        }
    }
}
