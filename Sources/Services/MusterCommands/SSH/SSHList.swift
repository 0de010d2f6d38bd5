import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel

struct SSHList: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Certificates: what was issued, to whom, until when, revoked or not; or what waits.",
        discussion: "Shows user certificates that are good now; --all shows those that are over or revoked too."
    )

    @Flag(help: "Those that are over or revoked too.") var all = false

    @Flag(help: "Host certificates too.") var hosts = false

    @Flag(help: "Requests that wait for approvals instead.") var waiting = false

    @Option(name: .customLong("operator"), help: ArgumentHelp("Only what this operator asked for.", valueName: "name"))
    var person: NameArgument<OperatorName>?

    @Option(help: ArgumentHelp("Only what was asked for from this node, or names it.", valueName: "node"))
    var node: String?

    @Flag(help: "As JSON.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            if waiting {
                let found = try await service.reading { try await $0.waitingCertificates(session: $1) }
                show(found, context)
            } else {
                try await show(try await records(service), service, context)
            }
        }
    }

    private func records(_ service: ServiceConnection) async throws -> [SSHIssuedRecord] {
        var id: NodeID?
        if let node { id = try await NodeChoice.find(node, service).id }
        let (chosen, name, onlyValid) = (id, person?.name, !all)
        return try await service.reading { client, session in
            var records: [SSHIssuedRecord] = []
            while true {
                let page = try await client.issuedCertificates(
                    operatorName: name,
                    node: chosen,
                    onlyValid: onlyValid,
                    after: records.last?.serial ?? 0,
                    session: session
                )
                records += page
                guard page.count == 1000 else { return records }
            }
        }
    }

    private func show(
        _ found: [SSHIssuedRecord],
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws {
        let now = context.now()
        let records = found.filter { record in
            (hosts || record.kind == .user) && (all || (record.revoked == nil && record.validBefore > now))
        }
        if json {
            context.terminal.json(["items": .array(records.map(\.json))])
            return
        }
        guard !records.isEmpty else {
            context.terminal.note("no certificates\(all ? "" : " that are good now; --all shows the others")")
            return
        }
        let nodes = try await service.reading { try await $0.nodes(session: $1) }
        let names = Dictionary(nodes.map { ("node:\($0.id.text)", $0.name) }) { first, _ in first }
        var table = Table("SERIAL", "FOR", "ACCOUNT", "ON", "FROM", "ISSUED", "UNTIL", "STATE")
        for record in records {
            let isHost = record.kind == .host
            table.row(
                StyledText("\(record.serial)", .bold),
                StyledText(isHost ? "host" : record.operatorName),
                StyledText(record.principals.joined(separator: ", ")),
                StyledText(record.targets.map { names[$0] ?? $0 }.joined(separator: ", ")),
                StyledText(record.origin),
                StyledText(Moments.ago(record.issued, now: now)),
                StyledText(record.validBefore.wholeSeconds.description),
                state(record, now)
            )
        }
        context.terminal.table(table.withoutEmptyColumns)
    }

    private func state(_ record: SSHIssuedRecord, _ now: UTCTime) -> StyledText {
        if let revoked = record.revoked { return StyledText("revoked \(Moments.ago(revoked, now: now))", .loud) }
        guard record.validBefore > now else { return StyledText("over", .faint) }
        let left = Int(clamping: record.validBefore.seconds - now.seconds)
        return StyledText("good for \(Moments.span(left))", .good)
    }

    private func show(_ found: [SSHWaitingRecord], _ context: CommandContext) {
        if json {
            context.terminal.json(["items": .array(found.map(\.json))])
            return
        }
        guard !found.isEmpty else {
            context.terminal.note("no request waits")
            return
        }
        var table = Table("REQUEST", "BY", "ACCOUNT", "ON", "FROM", "ASKED", "WAITS FOR")
        for record in found {
            let statement = record.statement.statement
            guard case .sshCertificate(let body) = statement.body else { continue }
            table.row(
                StyledText(String(statement.id.text.prefix(8)), .bold),
                StyledText(statement.requester.text),
                StyledText(body.user.text),
                StyledText(body.nodes.map(\.description).joined(separator: ", ")),
                StyledText(record.origin),
                StyledText(Moments.ago(record.asked, now: context.now())),
                StyledText(record.missing, .warning)
            )
        }
        context.terminal.table(table)
        context.terminal.note("next: muster ssh approve REQUEST, or muster ssh deny REQUEST --reason TEXT")
    }
}
