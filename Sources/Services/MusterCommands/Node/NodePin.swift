import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct NodePin: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Let rollouts leave a package of a node as it is, or at one version.",
        discussion: """
            Any operator may. The service keeps it, so a stolen service could forget it: what must never be changed is pinned in
            the node's own configuration ("pins" in /etc/muster-agent.json), which nobody but its owner can lift.
            """
    )

    @Argument(help: "The node's id or name.") var node: String

    @Argument(help: "The package.") var package: String

    @Argument(help: "The only version that it may have (default: the one that it has).") var version: String?

    @Option(help: ArgumentHelp("Why, in one line; everybody reads it.", valueName: "text")) var reason: String

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        try StatedReason.validate(reason)
    }

    func run(_ context: CommandContext) async throws {
        let request = PinRequest(package: package, version: version, reason: reason)
        try await NodeHoldChange.run(node, context, json: json) { client, node, session in
            try await client.pin(node, request, session: session)
        }
    }
}

struct NodeUnpin: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin",
        abstract: "Let rollouts change a package of a node again.",
        discussion: "For who pinned it, and for operators who may upgrade the node."
    )

    @Argument(help: "The node's id or name.") var node: String

    @Argument(help: "The package.") var package: String

    @Option(help: ArgumentHelp("Why, in one line; it is kept in the event log.", valueName: "text")) var reason = ""

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        try StatedReason.validate(reason.isEmpty ? nil : reason)
    }

    func run(_ context: CommandContext) async throws {
        let request = UnpinRequest(package: package, reason: reason)
        try await NodeHoldChange.run(node, context, json: json) { client, node, session in
            try await client.unpin(node, request, session: session)
        }
    }
}
