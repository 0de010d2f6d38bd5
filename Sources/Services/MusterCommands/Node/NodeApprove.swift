import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct NodeApprove: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Let a waiting node join: sign an enroll statement for its key.",
        discussion: """
            The code stands for the node's key, so nobody in between can have another node approved: take it from the node
            itself. Tags count in rules because you sign them. --tailnet-tags takes those that the tailnet gives the node, as the
            service reports them: they are shown, and nothing is signed before you agree.
            """
    )

    @Argument(help: "The code that the node shows.") var code: String

    @Option(name: .customLong("tag"), help: ArgumentHelp("A tag for the node; may be repeated.", valueName: "tag"))
    var tags: [TagArgument] = []

    @Flag(help: "Sign the tags too that the tailnet gives the node.") var tailnetTags = false

    @Flag(help: "Do not ask before signing the tailnet's tags.") var yes = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let pending = try await service.reading { try await $0.enrollments(session: $1) }
            guard let node = pending.first(where: { EnrollmentCode.matches(code, $0.nodeKey) }) else {
                throw CommandFailure.refused("no node waits with the code \(code): see 'muster enroll list'")
            }
            let body = EnrollBody(tags: try chosenTags(node, context), proof: .nodeKey(node.nodeKey))
            let statement = try await context.signedStatement(.enroll(body), lifetime: 86400)
            let reply = try await service.authorized { try await $0.send(statement, session: $1) }
            let key = EnrollmentCode.text(of: node.nodeKey)
            context.terminal.line("\(node.name) (\(key)): \(reply.detail.isEmpty ? reply.state : reply.detail)")
        }
    }

    /// The tags of the command line, and those of the tailnet where they are asked for.
    private func chosenTags(_ node: PendingEnrollment, _ context: CommandContext) throws -> [Tag] {
        let given = tags.map(\.tag)
        guard tailnetTags else { return given }
        guard let tailnet = node.tailnet, !tailnet.tags.isEmpty else {
            throw CommandFailure.refused("the tailnet gives \(node.name) no tags: use --tag")
        }
        let found = try tailnet.tags.map { text in
            guard let tag = TagArgument(argument: text)?.tag else {
                throw CommandFailure.refused(
                    "the tailnet's tag '\(text)' of \(node.name) is not \(Tag.form): use --tag"
                )
            }
            return tag
        }
        let all = Array(Set(given + found)).sorted()
        let list = all.map(\.text).joined(separator: ", ")
        context.terminal.note("\(node.name) at \(node.address), on the tailnet \(tailnet.name): tags \(list)")
        if !yes { try context.terminal.confirmSigning("sign these tags for \(node.name)?") }
        return all
    }
}
