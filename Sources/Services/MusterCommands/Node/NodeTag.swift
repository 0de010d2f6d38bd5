import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct NodeTag: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag",
        abstract: "Give a node its whole new set of tags, by a signed statement.",
        discussion: """
            Tags change by signed statements only; the service cannot re-tag a node into a rule. The node's id is what is
            signed: it is shown, and asked about where you use the node's name for the first time.
            """
    )

    @Argument(help: "The node's id or name.") var node: String

    @Option(
        name: .customLong("set"),
        parsing: .upToNextOption,
        help: ArgumentHelp("The new tags; none takes all away.", valueName: "tag")
    )
    var tags: [TagArgument] = []

    @Flag(help: "Take all tags away.") var none = false

    @OptionGroup var known: KnownNodeOptions

    @Flag(help: "Do not ask.") var yes = false

    func validate() throws {
        guard tags.isEmpty == none else { throw ValidationError("give --set TAG…, or --none") }
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let (record, names) = try await NodeChoice.named(node, known, service, context)
            names.tell(record, context)
            if !names.strangers.isEmpty, !yes {
                try context.terminal.confirmSigning("sign new tags for \(record.name) (\(record.id))?")
            }
            try await names.remember(context)
            let body = TagNodeBody(node: record.id, tags: tags.map(\.tag))
            let statement = try await context.signedStatement(.tagNode(body), lifetime: 30 * 86400)
            let reply = try await service.authorized { try await $0.send(statement, session: $1) }
            context.terminal.line("\(record.name) (\(record.id)): \(reply.detail.isEmpty ? reply.state : reply.detail)")
        }
    }
}
