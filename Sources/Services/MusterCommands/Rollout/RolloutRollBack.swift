import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct RolloutRollBack: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "roll-back",
        abstract: "Sign a roll-back statement: the nodes of a rollout go back to the release before it.",
        discussion: "A roll-back is a rollout of its own, on the same nodes, by default all of them at once."
    )

    @Argument(help: "The rollout, by its id or the beginning of it.") var rollout: String

    @Option(name: .customLong("to"), help: ArgumentHelp("The version to go back to.", valueName: "version"))
    var version: String?

    @OptionGroup var options: StrategyOptions

    @Flag(help: "Do not ask.") var yes = false

    @Flag(help: "Stay and watch.") var watch = false

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let id = try await RolloutChoice.find(rollout, service)
            let record = try await service.authorized { try await $0.rollout(id, session: $1) }
            guard let change = record.statement.statement.body.packageChange else {
                throw CommandFailure.refused("rollout \(id) changes no package")
            }
            let view = try await TrustedView.refresh(context, service.client)
            let history = ReleaseHistory(try view.releases())
            guard let version = version ?? history.before(change.package, version: change.version) else {
                throw CommandFailure.refused(
                    "no release of \(change.package) before \(change.version) is signed: nothing to go back to"
                )
            }
            let proposal = RolloutProposal(
                body: try RolloutProposal.body(
                    change.package,
                    version,
                    change.nodes,
                    options.strategy(stages: [.percent(100)], bakeSeconds: 0),
                    history
                ),
                isRollBack: true,
                view: view,
                lifetime: options.expires.seconds
            )
            let started = try await proposal.submit(service, context, yes: yes, json: json, watched: watch)
            if watch { try await RolloutWatching(service: service, context: context, json: json).watch(started) }
        }
    }
}
