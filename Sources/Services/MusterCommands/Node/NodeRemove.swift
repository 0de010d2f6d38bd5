import ArgumentParser
import MusterAPI
import MusterModel

struct NodeRemove: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take a node out of the fleet for good.",
        discussion: """
            Its sessions end at once, open rollouts pass it by, its name is free again, and its keys can never join again. What is
            installed on it stays. To bring the machine back, remove /var/lib/muster-agent there and enroll it anew.
            """
    )

    @OptionGroup var options: NodeStatementOptions

    func run(_ context: CommandContext) async throws {
        let reason = options.reason
        try await options.send(context) { .removeNode(RemoveNodeBody(node: $0.id, reason: reason)) }
    }
}
