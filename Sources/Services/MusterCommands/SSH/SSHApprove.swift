import ArgumentParser
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterPolicy
import OpenSSHFormats

struct SSHApprove: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Sign another operator's request for a certificate.",
        discussion: """
            Shows the statement itself, which is what you sign, after checking the requester's signature, its times and your
            approval by the policy that you trust. Nodes check your signature too: the service cannot approve in your place.
            Whoever asked never counts as an approver.
            """
    )

    @Argument(help: "The request, by its id or the beginning of it: see 'muster ssh list --waiting'.")
    var request: String

    @Flag(help: "Do not ask.") var yes = false

    @Flag(help: "As JSON: the answer, and the fingerprint of the key that the certificate is for.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let record = try await WaitingChoice.find(request, service)
            let policy = try await TrustedView.refresh(context, service.client).policy()
            let (review, body) = try check(record, service.fleet.fleet, policy, context)
            let nodes = try await service.reading { try await $0.nodes(session: $1) }
            let lines = try lines(record, review, body, nodes, policy, context)
            try context.terminal.confirmSigning(lines, yes: yes, json: json)
            let bytes = record.statement.signedBytes
            let signature = try await OperatorKey.sign(bytes, type: .sshCertificate, context)
            let reply = try await service.authorized { client, session in
                try await client.approveCertificate(review.statement.id, signature: signature, session: session)
            }
            if json {
                guard case .object(var object) = reply.json else { return }
                object["fingerprint"] = .string(body.publicKey.fingerprint)
                context.terminal.json(.object(object))
            } else {
                WaitingChoice.report(reply, context)
            }
        }
    }

    /// The statement, once it is sure that it is of this fleet, whole, asked for by whom it says, and says what is shown.
    private func check(
        _ record: SSHWaitingRecord,
        _ fleet: FleetID,
        _ policy: FleetPolicy,
        _ context: CommandContext
    ) throws -> (StatementReview, SSHCertificateBody) {
        let id = record.statement.statement.id
        let what = "request \(id)"
        let review = try StatementReview(
            record.statement,
            id: id,
            of: what,
            fleet: fleet,
            policy: policy,
            now: context.now()
        )
        guard case .sshCertificate(let body) = review.statement.body else { throw StatementReview.mismatch(what) }
        try review.checkUnderstood()
        try review.checkTimes(lifetime: SSHCertificateBody.statementLifetime, now: context.now())
        try review.checkAsked()
        return (review, body)
    }

    /// What is shown before signing; refuses where this signature would change nothing.
    private func lines(
        _ record: SSHWaitingRecord,
        _ review: StatementReview,
        _ body: SSHCertificateBody,
        _ nodes: [NodeRecord],
        _ policy: FleetPolicy,
        _ context: CommandContext
    ) throws -> [StyledText] {
        let statement = review.statement
        let selected = nodes.selected(by: body.nodes).map(\.id)
        let me = try OperatorKey.owner(policy, context)
        let judgement = try review.checkApproval(by: me, somewhere: true) { signers in
            NodeJudgement(
                PolicyRequest(statement, signers: signers, node: nil),
                on: selected,
                nodes: nodes,
                policy: policy,
                time: context.now()
            )
        }
        let names = nodes.names
        let targets = body.nodes.wideFirst.map { selector -> String in
            guard case .node(let id) = selector, let name = names[id] else { return selector.description }
            return "\(name) (\(selector))"
        }
        var lines = [
            StyledText("\(statement.requester)", .bold) + StyledText(" asks to log in as ")
                + StyledText(body.user.text, .bold) + StyledText(" on \(targets.joined(separator: ", "))")
        ]
        lines.append(StyledText("  with the key \(body.publicKey.fingerprint)"))
        let span = Moments.span(Int(body.seconds))
        lines.append(StyledText("  for \(span), by the service's word from \(record.origin)"))
        if let command = body.command { lines.append(StyledText("  only to run: \(VisibleText.ascii(command))")) }
        if let reason = body.reason { lines.append(StyledText("  reason: \(reason)")) }
        lines.append(
            StyledText("  good until \(statement.expires), signed by ")
                + StyledText(review.signers.map(\.text).joined(separator: ", "))
        )
        return lines + judgement.lines
    }
}

struct SSHDeny: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "deny",
        abstract: "End another operator's request for a certificate."
    )

    @Argument(help: "The request, by its id or the beginning of it: see 'muster ssh list --waiting'.")
    var request: String

    @Option(help: ArgumentHelp("Why, for who asked and for the log.", valueName: "text")) var reason: String

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        try StatedReason.validate(reason)
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let id = try await WaitingChoice.find(request, service).statement.statement.id
            let reply = try await service.authorized { client, session in
                try await client.denyCertificate(id, reason: reason, session: session)
            }
            if json {
                context.terminal.json(reply.json)
            } else {
                WaitingChoice.report(reply, context)
            }
        }
    }
}
