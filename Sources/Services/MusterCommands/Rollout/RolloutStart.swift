import ArgumentParser
import MusterModel

struct RolloutStart: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Sign an upgrade statement: nodes get a release in stages.",
        discussion: """
            Shows what will be signed and on how many nodes it lands, asks, and signs with your SSH key. The files are those
            that the release managers signed; the service cannot name others.
            """
    )

    @Argument(help: "The package.") var package: String

    @Argument(help: "The version (default: the newest release).") var version: String?

    @Option(
        name: .customLong("on"),
        parsing: .upToNextOption,
        help: ArgumentHelp("Which nodes: '*', tag:NAME or node:ID (default: '*').", valueName: "selector")
    )
    var selectors: [SelectorArgument] = []

    @OptionGroup var options: StrategyOptions

    @Flag(help: "Do not ask.") var yes = false

    @Flag(help: "Stay and watch.") var watch = false

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let view = try await TrustedView.refresh(context, service.client)
            let history = ReleaseHistory(try view.releases())
            let body = try RolloutProposal.body(
                package,
                version ?? history.newest(package) ?? "",
                selectors.isEmpty ? [.every] : selectors.map(\.selector),
                options.strategy(stages: RolloutStrategy().stages, bakeSeconds: RolloutStrategy().bakeSeconds),
                history
            )
            let proposal = RolloutProposal(
                body: body,
                isRollBack: false,
                view: view,
                lifetime: options.expires.seconds
            )
            let id = try await proposal.submit(service, context, yes: yes, json: json, watched: watch)
            if watch { try await RolloutWatching(service: service, context: context, json: json).watch(id) }
        }
    }
}
