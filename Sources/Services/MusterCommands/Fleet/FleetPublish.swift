import ArgumentParser

struct FleetPublish: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Upload staged root and targets metadata that enough root keys have signed."
    )

    @Argument(help: ArgumentHelp("The staged files; root is sent first.", valueName: "staged.json"))
    var staged: [String]

    @Flag(help: "Publish even if keys or roles change.") var allowChange = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let publication = FleetPublication(context: context)
            let fleet = try await FleetMetadata.fetched(context, service.client)
            let staged = try publication.read(staged)
            for (_, metadata) in staged {
                for line in try publication.change(metadata, staged, fleet).lines { context.terminal.line(line) }
            }
            try await publication.publish(staged, fleet, allowChange: allowChange, service)
        }
    }
}
