import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct SSHApprove: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Sign another operator's request for a certificate.",
        discussion: """
            Shows the statement itself, which is what you sign. Nodes check your signature too: the service cannot approve in
            your place. Whoever asked never counts as an approver.
            """
    )

    @Argument(help: "The request, by its id or the beginning of it: see 'muster ssh list --waiting'.")
    var request: String

    @Flag(help: "Do not ask.") var yes = false

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let record = try await WaitingChoice.find(request, service)
            let (statement, body) = try check(record, service.fleet.fleet, context)
            if !json { try await show(record, statement, body, service, context) }
            if !yes { try context.terminal.confirmSigning("sign it?") }
            let bytes = record.statement.signedBytes
            let signature = try await OperatorKey.sign(bytes, type: .sshCertificate, context)
            let reply = try await service.authorized { client, session in
                try await client.approveCertificate(statement.id, signature: signature, session: session)
            }
            if json {
                context.terminal.json(reply.json)
            } else {
                WaitingChoice.report(reply, context)
            }
        }
    }

    /// The statement, once it is sure that it is of this fleet, whole, and says what is shown.
    private func check(
        _ record: SSHWaitingRecord,
        _ fleet: FleetID,
        _ context: CommandContext
    ) throws -> (Statement, SSHCertificateBody) {
        let statement = record.statement.statement
        guard statement.fleet == fleet, case .sshCertificate(let body) = statement.body else {
            throw CommandFailure.refused("the statement that the service shows asks for no certificate of this fleet")
        }
        guard statement.expires > context.now() else {
            throw CommandFailure.refused("the statement expired at \(statement.expires)")
        }
        // Members that this program does not know would be signed unread.
        guard record.statement.signed == statement.json else {
            throw CommandFailure.refused("the statement says more than this program understands: update muster")
        }
        return (statement, body)
    }

    private func show(
        _ record: SSHWaitingRecord,
        _ statement: Statement,
        _ body: SSHCertificateBody,
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws {
        let nodes = try await service.reading { try await $0.nodes(session: $1) }
        let targets = body.nodes.map { selector -> String in
            guard case .node(let id) = selector, let name = nodes.first(where: { $0.id == id })?.name else {
                return selector.description
            }
            return "\(name) (\(selector))"
        }
        let terminal = context.terminal
        terminal.line(
            StyledText("\(statement.requester)", .bold) + StyledText(" asks to log in as ")
                + StyledText(body.user.text, .bold) + StyledText(" on \(targets.joined(separator: ", "))")
        )
        terminal.line("  for \(Moments.span(Int(body.seconds))), from \(record.origin)")
        if let command = body.command { terminal.line("  only to run: \(command)") }
        if let reason = body.reason { terminal.line("  reason: \(reason)") }
        terminal.line("  good until \(statement.expires), waits for: \(record.missing)")
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
