import ArgumentParser
import MusterAPI
import MusterModel

struct NodeExtend: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "extend",
        abstract: "Let a node whose key has expired act again for half an hour.",
        discussion: """
            An expired node still says that it is there, so nobody has to drive to it. Within the half hour, which begins when
            the service takes the statement, its agent replaces the key by itself; then the node is like any other again.
            """
    )

    @OptionGroup var options: NodeStatementOptions

    func run(_ context: CommandContext) async throws {
        let reason = options.reason
        try await options.send(context) { .extendNode(ExtendNodeBody(node: $0.id, reason: reason)) }
    }
}
