import ArgumentParser
import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterPolicy
import TUF

struct RolloutApprove: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Sign a rollout's statement as an approver.",
        discussion: """
            Shows the statement itself, which is what you sign, after checking the requester's signature, its times and your
            approval by the policy that you trust, and that its files are those that the release managers signed. Whoever
            asked never counts as an approver.
            """
    )

    @Argument(help: "The rollout, by its id or the beginning of it.") var rollout: String

    @Flag(help: "Do not ask.") var yes = false

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let id = try await RolloutChoice.find(rollout, service)
            let record = try await service.authorized { try await $0.rollout(id, session: $1) }
            let view = try await TrustedView.refresh(context, service.client)
            let policy = try view.policy()
            let history = ReleaseHistory(try view.releases())
            let (review, body) = try check(record, id, service.fleet.fleet, policy, history, context)
            let nodes = try await service.authorized { try await $0.nodes(session: $1) }
            let meant = nodes.meant(by: body, history)
            let lines = try lines(review, body, nodes, meant, policy, context)
            try context.terminal.confirmSigning(lines, yes: yes, json: json)
            let type = review.statement.type
            let signature = try await OperatorKey.sign(record.statement.signedBytes, type: type, context)
            let after = try await service.authorized { client, session in
                try await client.approve(id, signature: signature, session: session)
            }
            if json {
                context.terminal.json(after.json)
            } else {
                context.terminal.line(StyledText("rollout \(after.id.text.prefix(8)) ") + RolloutWords.state(after))
                if !after.missing.isEmpty { context.terminal.note(after.missing) }
            }
        }
    }

    /// The statement, once it is sure that it is of this fleet, asked for by whom it says, and about trusted releases only.
    private func check(
        _ record: RolloutRecord,
        _ id: RolloutID,
        _ fleet: FleetID,
        _ policy: FleetPolicy,
        _ history: ReleaseHistory,
        _ context: CommandContext
    ) throws -> (StatementReview, UpgradeBody) {
        let review = try StatementReview(record, id, fleet: fleet, policy: policy, now: context.now())
        guard let body = review.statement.body.packageChange else {
            throw CommandFailure.refused("rollout \(id) changes no package")
        }
        try review.checkUnderstood()
        try review.checkTimes(lifetime: Statement.maximumLifetime, now: context.now())
        try review.checkAsked()
        for target in body.targets {
            let signed = history.files(body.package, version: body.version).first {
                $0.file.path.utf8.elementsEqual(target.path.utf8)
            }
            guard signed?.file.length == target.length, signed?.file.hashes.sha256 == target.sha256 else {
                throw CommandFailure.refused("\(target.path) is not the file that the release managers signed")
            }
        }
        return (review, body)
    }

    /// What is shown before signing; refuses where this signature would change nothing.
    private func lines(
        _ review: StatementReview,
        _ body: UpgradeBody,
        _ nodes: [NodeRecord],
        _ meant: [NodeRecord],
        _ policy: FleetPolicy,
        _ context: CommandContext
    ) throws -> [StyledText] {
        let statement = review.statement
        let me = try OperatorKey.owner(policy, context)
        let judgement = try review.checkApproval(by: me) { signers in
            // Nodes hold it until their hours begin: it is approved before.
            NodeJudgement(
                PolicyRequest(statement, signers: signers, node: nil),
                on: meant.map(\.id),
                nodes: nodes,
                policy: policy,
                time: context.now(),
                hours: .ignored
            )
        }
        var lines = RolloutWords.lines(of: body, isRollBack: statement.type == .rollBack)
        lines.append(StyledText("  \(meant.count) of \(nodes.count) nodes are selected now"))
        lines.append(
            StyledText("  asked for by \(statement.requester), good until \(statement.expires), signed by ")
                + StyledText(review.signers.map(\.text).joined(separator: ", "))
        )
        return lines + judgement.lines
    }
}

extension [NodeRecord] {
    /// Those that the service takes into a rollout: selected, and with a file of the statement for their architecture.
    ///
    /// A node that has not reported yet says no architecture: it is judged when it does, by the service and by itself.
    fileprivate func meant(by body: UpgradeBody, _ history: ReleaseHistory) -> [NodeRecord] {
        let architectures = history.files(body.package, version: body.version).filter { entry in
            body.targets.contains { $0.path.utf8.elementsEqual(entry.file.path.utf8) }
        }.map(\.release.architecture)
        return selected(by: body.nodes).filter { node in
            guard let architecture = node.report?.architecture, !architecture.isEmpty else { return false }
            return architectures.contains { $0 == architecture || $0 == "all" }
        }
    }
}
