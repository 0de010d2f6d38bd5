import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterServer

@Suite("The history of runs")
struct RunHistoryTests {
    @Test("Runs are found by requester, command, node, state and time, page by page")
    func search() async throws {
        try await RunFleet.run(rules: [RunFleet.echoes("ben")]) { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta"])
            var asked: [RunID] = []
            for number in 0..<5 {
                fleet.fixture.clock.advance(seconds: 10)
                let isEcho = number.isMultiple(of: 2)
                let target = [nodes[number % 2]]
                let body = try isEcho ? fleet.fleet.run("echo", on: target.map(\.id)) : fleet.restart(target)
                asked.append(try await fleet.ask(body, by: [isEcho ? "ben" : "ada"]).statement.id)
            }
            func list(_ change: (inout MusterClient.RunQuery) -> Void) async throws -> [RunID] {
                var query = MusterClient.RunQuery()
                change(&query)
                return try await fleet.client.runs(query, session: fleet.session).map(\.id)
            }
            #expect(try await list { _ in } == asked.reversed())
            #expect(try await list { $0.requester = OperatorName("ben") } == [asked[4], asked[2], asked[0]])
            #expect(try await list { $0.command = CommandName("restart-web") } == [asked[3], asked[1]])
            #expect(try await list { $0.node = nodes[1].id } == [asked[3], asked[1]])
            _ = try await fleet.client.cancelRun(asked[1], reason: "", session: fleet.session)
            #expect(try await list { $0.state = .cancelled } == [asked[1]])
            #expect(try await list { $0.limit = 2 } == [asked[4], asked[3]])
            let page = try await list { query in
                query.limit = 2
                query.before = asked[3]
            }
            #expect(page == [asked[2], asked[1]])
            #expect(try await list { $0.before = asked[0] } == [])
            let third = try await fleet.record(asked[2]).asked
            #expect(try await list { $0.from = third } == [asked[4], asked[3], asked[2]])
            #expect(try await list { $0.until = third } == [asked[1], asked[0]])
            let record = try #require(try await fleet.client.runs(.init(), session: fleet.session).first)
            #expect(record.nodes.isEmpty && record.counts.values.reduce(0, +) == 1)
        }
    }

    @Test("Output is forgotten when its days are over; the record stays")
    func retention() async throws {
        try await RunFleet.run(outputDays: 2) { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let id = try await fleet.ask(try fleet.restart([node])).statement.id
            _ = try await fleet.manifest(node)
            try await fleet.say(.ended, id, node, exit: 0, [RunFleet.piece("secret of the day\n")])
            let service = fleet.fixture.server.service
            try await service.forgetRunOutput(at: fleet.fixture.clock.now().adding(seconds: 86400))
            #expect(try await fleet.output(id) == "secret of the day\n")
            try await service.forgetRunOutput(at: fleet.fixture.clock.now().adding(seconds: 3 * 86400))
            let output = try await fleet.client.runOutput(id, session: fleet.session)
            #expect(output.chunks.isEmpty && output.isComplete)
            #expect(try await fleet.record(id).nodes[0].result?.ending == .exited(0))
        }
    }
}
