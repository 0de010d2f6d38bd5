import ArgumentParser
import ByteCoding
import MusterAPI
import MusterClient
import MusterModel

struct NodeHold: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Let rollouts pass a node by, for a reason, until somebody lifts it.",
        discussion: """
            Any operator may. What the node is installing at this moment is let finish. Commands and logins go on: this is about
            package changes only. To change a hold, give it again.
            """
    )

    @Argument(help: "The node's id or name.") var node: String

    @Option(help: ArgumentHelp("Why, in one line; everybody reads it.", valueName: "text")) var reason: String

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("End by itself after this (default: never).", valueName: "span")
    )
    var span: TimeSpan?

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        try StatedReason.validate(reason)
        guard span.map({ $0.seconds > 0 }) ?? true else { throw ValidationError("--for is no time at all") }
    }

    func run(_ context: CommandContext) async throws {
        let until = span.map { context.now().adding(seconds: Int64($0.seconds)) }
        let request = HoldRequest(reason: reason, until: until)
        try await NodeHoldChange.run(node, context, json: json) { client, node, session in
            try await client.hold(node, request, session: session)
        }
    }
}

struct NodeUnhold: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "unhold",
        abstract: "Let rollouts take a node again.",
        discussion: "For who held it, and for operators who may upgrade the node."
    )

    @Argument(help: "The node's id or name.") var node: String

    @Option(help: ArgumentHelp("Why, in one line; it is kept in the event log.", valueName: "text")) var reason = ""

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        try StatedReason.validate(reason.isEmpty ? nil : reason)
    }

    func run(_ context: CommandContext) async throws {
        try await NodeHoldChange.run(node, context, json: json) { [reason] client, node, session in
            try await client.unhold(node, reason: reason, session: session)
        }
    }
}

/// What holding, pinning and their ends have in common: find the node, change it, show what holds it now.
enum NodeHoldChange {
    typealias Change = @Sendable (MusterClient, NodeID, String) async throws -> NodeRecord

    static func run(_ text: String, _ context: CommandContext, json: Bool, _ change: Change) async throws {
        try await context.withService { service in
            let node = try await NodeChoice.find(text, service)
            let record = try await service.authorized { try await change($0, node.id, $1) }
            if json {
                context.terminal.json(record.json)
                return
            }
            let rows = NodeWords(now: context.now()).holds(record)
            if rows.isEmpty {
                context.terminal.line("\(record.name): rollouts may change every package of it")
            }
            for (name, words) in rows { context.terminal.line(StyledText("\(record.name) \(name): ") + words) }
        }
    }
}
