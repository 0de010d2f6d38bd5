import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct RunWatch: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follow a run until it is over: its output from the beginning, and how it ends.",
        discussion: "The exit status is that of 'muster run', see 'muster help run'. Ctrl-C leaves the run going."
    )

    @Argument(help: "The run, by its id or the beginning of it.") var run: String

    @OptionGroup var output: RunOutputOptions

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let id = try await RunChoice.id(run, service)
            try await RunWatching(service: service, context: context).watch(id, output.format(context.terminal))
        }
    }
}
