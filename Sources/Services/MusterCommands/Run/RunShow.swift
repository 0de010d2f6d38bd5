import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterPolicy

struct RunShow: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "One run: who asked, who approved, what ran, where, when, and what came of it with which output.",
        discussion: """
            Who asked and who approved is read from their signatures, checked by the policy that you trust; what the nodes
            said is as the service recorded it. The output of nodes that wrote the same is shown once.
            """
    )

    @Argument(help: "The run, by its id or the beginning of it.") var run: String

    @Option(help: ArgumentHelp("Only this node's output, by its name or id.", valueName: "node")) var node: String?

    @Flag(help: "Without the nodes' output.") var noOutput = false

    @Flag(help: "As JSON: the run, who validly signed it, and the output of each node.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let record = try await RunChoice.find(run, service)
            let view = try await TrustedView.refresh(context, service.client)
            // An expired policy allows nothing, and still says whose the signatures are.
            let policy = try FleetPolicy(parsing: view.policyDocument)
            let review = try RunReview(record, fleet: service.fleet.fleet, policy: policy, now: context.now())
            let only = try wanted(record)
            let outputs = noOutput ? [:] : try await RecordedOutput.fetch(record.id, node: only?.id, service)
            if json {
                context.terminal.json(
                    [
                        "run": record.json, "signers": JSONValue(review.signers),
                        "outputs": .array(record.nodes.compactMap { node in outputs[node.id]?.json(node) }),
                    ]
                )
                return
            }
            try show(record, review, policy, context)
            if !noOutput { try await showOutput(record, only, outputs, service, context) }
        }
    }

    private func wanted(_ record: RunRecord) throws -> RunRecord.Node? {
        guard let node else { return nil }
        guard let found = record.nodes.first(where: { $0.id.text == node || $0.name == node }) else {
            throw CommandFailure.refused("'\(node)' is no node of this run")
        }
        return found
    }

    private func show(
        _ record: RunRecord,
        _ review: RunReview,
        _ policy: FleetPolicy,
        _ context: CommandContext
    ) throws {
        let terminal = context.terminal
        terminal.line(StyledText("run \(record.id) ", .bold) + RunWords.state(record))
        let names = record.nodeNames
        // What the service shows may be of its own making: only the policy's command is worked out.
        let isOfPolicy = policy.commands[review.body.command]?.isSame(as: review.body.definition) ?? false
        let words =
            isOfPolicy ? try RunWords(review.body, names: names) : RunWords(asItStands: review.body, names: names)
        for line in words.lines(expires: review.statement.expires, now: context.now()) { terminal.line(line) }
        if !isOfPolicy {
            terminal.line(StyledText("  that is not what today's policy says of '\(review.body.command)'", .warning))
        }
        let asker = review.statement.requester
        let isSigned = review.signers.contains(asker)
        terminal.line(
            StyledText("  asked for by \(asker) at \(review.statement.issued)")
                + (isSigned ? "" : StyledText(", whose signature is not valid by today's policy", .loud))
        )
        let approvers = review.signers.filter { $0 != asker }
        if !approvers.isEmpty { terminal.line("  approved by \(approvers.map(\.text).joined(separator: ", "))") }
        let unproved = record.signers.filter { !review.signers.contains($0) && $0 != asker }
        if !unproved.isEmpty {
            terminal.line("  by the service's word also approved by \(unproved.map(\.text).joined(separator: ", "))")
        }
        if let ended = record.ended { terminal.line("  ended at \(ended.wholeSeconds)") }
        var table = Table("NODE", "STATE", "STARTED", "TOOK", "OUTPUT", "OUTCOME")
        for node in record.nodes { table.row(Self.row(node)) }
        if !table.isEmpty { terminal.table(table.withoutEmptyColumns) }
    }

    private static func row(_ node: RunRecord.Node) -> [StyledText] {
        let size = node.result.map { Moments.size($0.outputBytes) + ($0.truncated ? ", cut off" : "") } ?? ""
        return [
            StyledText(node.name), StyledText(node.state.rawValue, RunWords.style(node.state)),
            StyledText(node.result.map { "\($0.started.wholeSeconds)" } ?? ""),
            StyledText(node.result.map { took($0.milliseconds) } ?? ""), StyledText(size),
            StyledText(node.result == nil && node.reason.isEmpty ? "" : RunWords.outcome(node)),
        ]
    }

    private static func took(_ milliseconds: Int64) -> String {
        milliseconds < 10_000 ? "\(milliseconds) ms" : Moments.span(Int(milliseconds / 1000))
    }

    private func showOutput(
        _ record: RunRecord,
        _ only: RunRecord.Node?,
        _ outputs: [NodeID: RecordedOutput],
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws {
        let summary = RunSummary(record, outputs: outputs.mapValues(\.fingerprint), comparing: true)
        for group in summary.groups where (group.output?.bytes ?? 0) > 0 {
            guard only.map({ node in group.nodes.contains { $0.id == node.id } }) ?? true else { continue }
            let nodes = only.map { [$0] } ?? group.nodes
            context.terminal.line(StyledText("==> \(NodeNames.folded(nodes.map(\.name)))", .bold))
            guard let first = nodes.first, let output = outputs[first.id] else { continue }
            for (text, stream) in output.lines {
                context.terminal.line(StyledText(text, stream == .output ? .plain : .warning))
            }
        }
    }
}
