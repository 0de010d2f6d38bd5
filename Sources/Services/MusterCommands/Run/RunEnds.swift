import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct RunDeny: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "deny",
        abstract: "End a run that waits for approvals: by who may approve it, or who asked for it."
    )

    @Argument(help: "The run, by its id or the beginning of it: see 'muster run list --state waiting'.")
    var run: String

    @Option(help: ArgumentHelp("Why, for who asked and for the log.", valueName: "text")) var reason: String

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        try StatedReason.validate(reason)
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let id = try await RunChoice.id(run, service)
            let record = try await service.authorized { try await $0.denyRun(id, reason: reason, session: $1) }
            RunCancel.report(record, json, context)
        }
    }
}

struct RunCancel: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Begin no further nodes, and end the processes that run.",
        discussion: """
            Any operator may: stopping is never a danger. Processes get TERM, and KILL five seconds later; a node that is
            out of reach hears of it when it is back.
            """
    )

    @Argument(help: "The run, by its id or the beginning of it.") var run: String

    @Option(help: ArgumentHelp("Why, for the others to read.", valueName: "text")) var reason = ""

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        try StatedReason.validate(reason.isEmpty ? nil : reason)
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let id = try await RunChoice.id(run, service)
            let record = try await service.authorized { try await $0.cancelRun(id, reason: reason, session: $1) }
            Self.report(record, json, context)
        }
    }

    static func report(_ record: RunRecord, _ json: Bool, _ context: CommandContext) {
        if json {
            context.terminal.json(record.json)
        } else {
            context.terminal.line(StyledText("run \(record.id.text.prefix(8)): ") + RunWords.state(record))
        }
    }
}
