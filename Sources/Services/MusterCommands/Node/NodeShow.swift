import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel

struct NodeShow: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Everything that is known of one node."
    )

    @Argument(help: "The node's id or name.") var node: String

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        let record = try await context.withService { service in
            let found = try await NodeChoice.find(node, service)
            return try await service.authorized { try await $0.node(found.id, session: $1) }
        }
        if json {
            context.terminal.json(record.json)
            return
        }
        show(record, context)
    }

    private func show(_ node: NodeRecord, _ context: CommandContext) {
        let words = NodeWords(now: context.now())
        let terminal = context.terminal
        func row(_ name: String, _ value: StyledText) {
            let padding = String(repeating: " ", count: max(1, 12 - name.count))
            terminal.line(StyledText(name + padding, .faint) + value)
        }
        terminal.line(StyledText(node.name, .bold) + StyledText(" \(node.id)", .faint))
        row("state", words.state(node))
        row("seen", words.seen(node))
        row("tags", StyledText(node.tags.map(\.text).joined(separator: ", ")))
        row("address", StyledText(node.address))
        row("enrolled", StyledText("\(node.enrolled.wholeSeconds)"))
        if let report = node.report {
            row("agent", StyledText(report.agentVersion))
            row("system", StyledText("\(report.osRelease), \(report.kernel), \(report.architecture)"))
            row("up", StyledText(Moments.span(Int(clamping: report.uptimeSeconds))))
            row("trusts", StyledText("timestamp \(report.timestampVersion), policy \(report.policyVersion)"))
        }
        for package in node.packages { row("package", words.package(package)) }
        for listener in node.report?.listeners ?? [] {
            row("listens", StyledText("\(listener.transport) \(listener.address):\(listener.port)"))
        }
        for step in node.report?.progress ?? [] {
            let reason = step.reason.isEmpty ? "" : ": \(step.reason)"
            row("rollout", StyledText("\(step.rollout.text.prefix(8)) \(step.state.rawValue)\(reason)"))
        }
    }
}
