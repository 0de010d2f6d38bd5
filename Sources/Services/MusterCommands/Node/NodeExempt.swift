import ArgumentParser
import MusterAPI
import MusterModel

struct NodeExempt: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "exempt",
        abstract: "Exempt a node's key from expiry, or end that.",
        discussion: """
            For a server that must not stop over an expired key, however long it was out of reach. Its agent replaces the key as
            often as any other's; 'muster node list' shows the exemption for as long as it lasts.
            """
    )

    @OptionGroup var options: NodeStatementOptions

    @Flag(help: "End the exemption: the key expires again.") var end = false

    func run(_ context: CommandContext) async throws {
        let (reason, isExempt) = (options.reason, !end)
        try await options.send(context) {
            .exemptNode(ExemptNodeBody(node: $0.id, isExempt: isExempt, reason: reason))
        }
    }
}
