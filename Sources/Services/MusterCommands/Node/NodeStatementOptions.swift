import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

/// Which node, and why: what every statement about a single node asks for.
struct NodeStatementOptions: ParsableArguments {
    /// Seconds that such a statement may be on its way: it is meant for now.
    private static let lifetime = 600

    @Argument(help: "The node's id or name.") var node: String

    @Option(help: ArgumentHelp("Why, in one line; it is kept in the event log.", valueName: "text"))
    var reason: String

    @OptionGroup var known: KnownNodeOptions

    func validate() throws {
        try StatedReason.validate(reason)
    }

    /// Signs what is asked for of the node, sends it and shows what came of it.
    func send(_ context: CommandContext, _ body: @Sendable (NodeRecord) -> StatementBody) async throws {
        try await context.withService { service in
            let (record, names) = try await NodeChoice.named(node, known, service, context)
            names.tell(record, context)
            try await names.remember(context)
            let statement = try await context.signedStatement(body(record), lifetime: Self.lifetime)
            let reply = try await service.authorized { try await $0.send(statement, session: $1) }
            context.terminal.line(reply.detail.isEmpty ? "\(record.name) (\(record.id)): \(reply.state)" : reply.detail)
        }
    }
}
