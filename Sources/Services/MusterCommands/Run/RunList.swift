import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel

struct RunList: ContextCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Runs, the newest first.")

    @Option(help: ArgumentHelp("Only what this operator asked for.", valueName: "name"))
    var by: NameArgument<OperatorName>?

    @Option(help: ArgumentHelp("Only runs of this command.", valueName: "name"))
    var command: NameArgument<CommandName>?

    @Option(help: ArgumentHelp("Only runs that name this node, by its name or id.", valueName: "node"))
    var node: String?

    @Option(
        help: ArgumentHelp(
            "Only runs in this state: \(RunRecord.State.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "state"
        )
    )
    var state: String?

    @Option(help: ArgumentHelp("Only what was asked for within this time: 24h.", valueName: "span"))
    var since: TimeSpan?

    @Option(help: ArgumentHelp("Most runs to list.", valueName: "n")) var limit = 50

    @Flag(help: "As JSON.") var json = false

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit is not within 1 to 10000") }
        if let state, RunRecord.State(rawValue: state) == nil { throw ValidationError("there is no state '\(state)'") }
    }

    func run(_ context: CommandContext) async throws {
        let runs = try await context.withService { service in try await fetch(service, context) }
        if json {
            context.terminal.json(["items": .array(runs.map(\.json))])
            return
        }
        guard !runs.isEmpty else { return context.terminal.note("no such runs: muster run COMMAND --on SELECTOR") }
        var table = Table("RUN", "COMMAND", "BY", "ASKED", "NODES", "WELL", "NOT WELL", "STATE")
        for record in runs { table.row(row(record, context.now())) }
        context.terminal.table(table)
    }

    /// Page by page, as far back as is wanted.
    private func fetch(_ service: ServiceConnection, _ context: CommandContext) async throws -> [RunRecord] {
        var query = MusterClient.RunQuery()
        query.requester = by?.name
        query.command = command?.name
        query.state = state.flatMap(RunRecord.State.init(rawValue:))
        if let node { query.node = try await NodeChoice.find(node, service).id }
        let oldest = since.map { context.now().adding(seconds: -Int64($0.seconds)) }
        var found: [RunRecord] = []
        while found.count < limit {
            query.limit = min(100, limit - found.count)
            let wanted = query
            let page = try await service.reading { try await $0.runs(wanted, session: $1) }
            let young = page.filter { record in oldest.map { record.asked >= $0 } ?? true }
            found += young
            guard page.count == query.limit, young.count == page.count, let last = page.last else { break }
            query.before = last.id
        }
        return found
    }

    private func row(_ record: RunRecord, _ now: UTCTime) -> [StyledText] {
        guard case .run(let body) = record.statement.statement.body else { return [] }
        let well = record.counts[.succeeded] ?? 0
        let ended = record.counts.reduce(0) { $0 + ($1.key.isFinal ? $1.value : 0) }
        return [
            StyledText(String(record.id.text.prefix(8)), .bold), StyledText(body.command.text),
            StyledText(record.statement.statement.requester.text),
            StyledText(Moments.ago(record.asked, now: now)), StyledText("\(body.nodes.count)"), StyledText("\(well)"),
            StyledText("\(ended - well)", ended > well ? .loud : .faint), RunWords.state(record),
        ]
    }
}
