import ArgumentParser
import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import TUF

struct RolloutApprove: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Sign a rollout's statement as an approver.",
        discussion: """
            Shows the statement itself, which is what you sign, after checking that its files are those that the release
            managers signed.
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
            let statement = try check(record, service.fleet.fleet, view, context)
            if !json {
                if let body = statement.body.packageChange {
                    for line in RolloutWords.lines(of: body, isRollBack: statement.type == .rollBack) {
                        context.terminal.line(line)
                    }
                }
                context.terminal.line("  asked for by \(statement.requester), good until \(statement.expires)")
            }
            if !yes { try context.terminal.confirmSigning("sign it?") }
            let signature = try await OperatorKey.sign(record.statement.signedBytes, type: statement.type, context)
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

    /// The statement, once it is sure that it is of this fleet and about trusted releases only.
    private func check(
        _ record: RolloutRecord,
        _ fleet: FleetID,
        _ view: TrustedView,
        _ context: CommandContext
    ) throws -> Statement {
        let statement = record.statement.statement
        guard statement.id == record.id, statement.fleet == fleet else {
            throw CommandFailure.refused("the statement that the service shows is not that of rollout \(record.id)")
        }
        guard statement.expires > context.now() else {
            throw CommandFailure.refused("the statement expired at \(statement.expires)")
        }
        guard let body = statement.body.packageChange else {
            throw CommandFailure.refused("rollout \(record.id) changes no package")
        }
        // Members that this program does not know would be signed unread.
        guard record.statement.signed == statement.json else {
            throw CommandFailure.refused("the statement says more than this program understands: update muster")
        }
        let history = ReleaseHistory(try view.releases())
        for target in body.targets {
            let signed = history.files(body.package, version: body.version).first { $0.file.path == target.path }
            guard signed?.file.length == target.length, signed?.file.hashes.sha256 == target.sha256 else {
                throw CommandFailure.refused("\(target.path) is not the file that the release managers signed")
            }
        }
        return statement
    }
}
