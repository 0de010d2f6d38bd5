import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct NodeApprove: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Let a waiting node join: sign an enroll statement for its key."
    )

    @Argument(help: "The code that the node shows.") var code: String

    @Option(name: .customLong("tag"), help: ArgumentHelp("A tag for the node; may be repeated.", valueName: "tag"))
    var tags: [TagArgument] = []

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let pending = try await service.authorized { try await $0.enrollments(session: $1) }
            guard let node = pending.first(where: { $0.code.uppercased() == code.uppercased() }) else {
                throw CommandFailure.refused("no node waits with the code \(code): see 'muster enroll list'")
            }
            let body = EnrollBody(tags: tags.map(\.tag), proof: .nodeKey(node.nodeKey))
            let statement = try await context.signedStatement(.enroll(body), lifetime: 86400)
            let reply = try await service.authorized { try await $0.send(statement, session: $1) }
            context.terminal.line("\(node.name) (\(node.code)): \(reply.detail.isEmpty ? reply.state : reply.detail)")
        }
    }
}
