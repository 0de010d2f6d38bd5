import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient

struct Events: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "What happened in the fleet, in order."
    )

    @Option(help: ArgumentHelp("Only events after this one.", valueName: "sequence")) var after: Int64 = 0

    @Flag(help: "Stay, and show what happens.") var follow = false

    @Flag(help: "As JSON, one document a line.") var json = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            var last = after
            while true {
                let events = try await service.reading { client, session in
                    try await client.events(after: last, wait: 0, session: session)
                }
                for event in events { show(event, context) }
                if let newest = events.last?.sequence { last = newest }
                if events.isEmpty {
                    guard follow else { return }
                    try await wait(service, &last, context)
                }
            }
        }
    }

    private func wait(_ service: ServiceConnection, _ last: inout Int64, _ context: CommandContext) async throws {
        let sequence = last
        do {
            let events = try await service.reading { client, session in
                try await client.events(after: sequence, wait: 55, session: session)
            }
            for event in events { show(event, context) }
            last = events.last?.sequence ?? last
        } catch let error as ClientError where error.status == nil {
            context.terminal.note("\(error); trying again")
            try await Task.sleep(for: .seconds(2))
        }
    }

    private func show(_ event: EventRecord, _ context: CommandContext) {
        if json {
            context.terminal.jsonLine(event.json)
            return
        }
        context.terminal.line(
            StyledText("\(event.sequence) ", .faint) + StyledText("\(event.time.wholeSeconds) ")
                + StyledText(event.type, .bold) + StyledText(" \(event.actor) ")
                + StyledText(String(decoding: event.detail.jsonBytes, as: UTF8.self), .faint)
        )
    }
}
