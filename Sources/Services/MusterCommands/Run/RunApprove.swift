import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel
import MusterPolicy

struct RunApprove: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Sign another operator's run.",
        discussion: """
            Shows the statement itself, which is what you sign, after checking the requester's signature, its times and the
            command by the policy that you trust. Nodes check your signature too: the service cannot approve in your place.
            Whoever asked never counts as an approver. A scheduled run can be approved ahead of its time.
            """
    )

    @Argument(help: "The run, by its id or the beginning of it: see 'muster run list --state waiting'.")
    var run: String

    @OptionGroup var known: KnownNodeOptions

    @Flag(help: "Do not ask.") var yes = false

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let record = try await RunChoice.find(run, service)
            let policy = try await TrustedView.refresh(context, service.client).policy()
            let nodes = try await service.reading { try await $0.nodes(session: $1) }
            let review = try RunReview(record, fleet: service.fleet.fleet, policy: policy, now: context.now())
            try review.checkSignable(policy: policy, now: context.now())
            let meant = Set(review.body.nodes)
            // Whoever approves has said no name, and is shown them all.
            let names = try NamedNodes(nodes.filter { meant.contains($0.id) }, said: [], known, context)
            let lines = try lines(review, nodes, names.changedNodes, policy, context)
            for remark in names.remarks { context.terminal.note(StyledText(remark, .warning)) }
            try context.terminal.confirmSigning(lines, yes: yes, json: json)
            try await names.remember(context)
            let signature = try await OperatorKey.sign(record.statement.signedBytes, type: .run, context)
            let after = try await service.authorized { client, session in
                try await client.approveRun(record.id, signature: signature, session: session)
            }
            if json {
                context.terminal.json(after.json)
            } else {
                context.terminal.line(StyledText("run \(after.id.text.prefix(8)): ") + RunWords.state(after))
            }
        }
    }

    /// What is shown before signing; refuses where this signature would change nothing.
    private func lines(
        _ review: RunReview,
        _ nodes: [NodeRecord],
        _ changed: Set<NodeID>,
        _ policy: FleetPolicy,
        _ context: CommandContext
    ) throws -> [StyledText] {
        let me = try OperatorKey.owner(policy, context)
        let before = try review.review.checkApproval(by: me) { signers in
            NodeJudgement(
                review.body,
                requester: review.statement.requester,
                signers: signers,
                nodes: nodes,
                policy: policy,
                time: review.beginning(now: context.now())
            )
        }
        let words = try RunWords(review.body, names: nodes.names, changed: changed)
        var lines = [StyledText("\(review.statement.requester)", .bold) + StyledText(" asks to run:")]
        lines += words.lines(expires: review.statement.expires, now: context.now())
        lines.append(StyledText("  signed by \(review.signers.map(\.text).joined(separator: ", "))"))
        return lines + before.lines
    }
}

extension [NodeRecord] {
    /// The nodes by id.
    var byID: [NodeID: NodeRecord] { Dictionary(map { ($0.id, $0) }) { first, _ in first } }

    /// Names by id.
    var names: [NodeID: String] { Dictionary(map { ($0.id, $0.name) }) { first, _ in first } }
}
