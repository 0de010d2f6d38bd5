import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterStore
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterServer

@Suite("What nodes deliver of runs")
struct RunDeliveryTests {
    @Test("Output that comes twice, overlaps or has a gap is kept once, in order")
    func offsets() async throws {
        try await RunFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let id = try await fleet.ask(try fleet.restart([node])).statement.id
            _ = try await fleet.manifest(node)
            func send(_ text: String, at offset: Int64) async throws -> Int64 {
                try await fleet.say(.started, id, node, offset: offset, [RunFleet.piece(text)]).received
            }
            #expect(try await send("hello ", at: 0) == 6)
            #expect(try await send("hello ", at: 0) == 6)
            #expect(try await send("lo wor", at: 3) == 9)
            #expect(try await send("ld", at: 20) == 9)
            #expect(try await send("ld", at: 9) == 11)
            #expect(try await fleet.output(id) == "hello world")
            let final = try await fleet.say(.ended, id, node, exit: 0, offset: 11)
            #expect(final.received == 11)
            try await fleet.say(.ended, id, node, exit: 1, offset: 11)
            try await fleet.say(.started, id, node)
            let record = try await fleet.record(id)
            #expect(record.state == .succeeded && record.nodes[0].result?.ending == .exited(0))
        }
    }

    @Test("More output than the command may have is acknowledged and not kept, and small pieces are joined")
    func bounded() async throws {
        let loud: JSONValue = ["argv": ["/bin/yes"], "user": "root", "output_bytes": 2048]
        try await RunFleet.run(commands: ["loud": loud]) { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let id = try await fleet.ask(try fleet.fleet.run("loud", on: [node.id])).statement.id
            _ = try await fleet.manifest(node)
            let pieces = (0..<1000).map { _ in RunFleet.piece("yyyyyyyyyyyyyyy\n") }
            let reply = try await fleet.say(.started, id, node, pieces)
            #expect(reply.received == 16000)
            let output = try await fleet.client.runOutput(id, session: fleet.session)
            #expect(output.chunks.reduce(0) { $0 + $1.piece.data.count } == 2048 + 4096)
            #expect(output.chunks.count < 30)
        }
    }

    @Test("A node speaks for itself alone, and only of runs that name it")
    func strangers() async throws {
        try await RunFleet.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta"])
            let id = try await fleet.ask(try fleet.restart([nodes[0]])).statement.id
            await #expect { try await fleet.say(.ended, id, nodes[1], exit: 0) } throws: { $0.problemStatus == 404 }
            let update = RunUpdate(state: .refused, at: fleet.fixture.clock.now(), node: nodes[0].id)
            let results = RunResults(updates: [update])
            await #expect { try await fleet.client.sendResults(id, results, session: fleet.session) } throws: {
                $0.problemStatus == 409
            }
            await #expect { try await fleet.client.runCertificate(id, session: fleet.session) } throws: {
                $0.problemStatus == 409
            }
        }
    }

    @Test("A run over SSH is recorded by its requester, and by nobody else; no agent ever gets it")
    func overSSH() async throws {
        try await RunFleet.run(rules: [RunFleet.echoes("ben")]) { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta"])
            let body = try fleet.fleet.run(
                "echo",
                on: nodes.map(\.id),
                ssh: RunBody.OverSSH(publicKey: try TestKey("ephemeral").ssh, seconds: 60)
            )
            let id = try await fleet.ask(body).statement.id
            #expect(try await fleet.record(id).state == .running)
            #expect(try await fleet.manifest(nodes[0]) == nil)
            await #expect { try await fleet.say(.started, id, nodes[0]) } throws: { $0.problemStatus == 409 }
            func results(_ node: TestNode, _ status: Int32) -> RunResults {
                let now = fleet.fixture.clock.now()
                let result = RunResult(ending: .exited(status), outputBytes: 3, started: now, milliseconds: 4)
                return RunResults(updates: [
                    RunUpdate(state: .started, at: now, output: [RunFleet.piece("ok\n")], node: node.id),
                    RunUpdate(state: .ended, at: now, offset: 3, result: result, node: node.id),
                ])
            }
            let ben = try await fleet.fixture.login("ben")
            await #expect { try await fleet.client.sendResults(id, results(nodes[0], 0), session: ben) } throws: {
                $0.problemStatus == 403
            }
            _ = try await fleet.client.sendResults(id, results(nodes[0], 0), session: fleet.session)
            let record = try await fleet.client.sendResults(id, results(nodes[1], 0), session: fleet.session)
            #expect(record.state == .succeeded && record.nodes.allSatisfy { $0.result != nil })
            #expect(try await fleet.output(id) == "ok\nok\n")
        }
    }

    @Test("A node whose key has expired gets no run, and gets it once it may act again")
    func expiredKey() async throws {
        try await RunFleet.run(nodeKeyDays: 3) { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            fleet.fixture.clock.advance(seconds: 4 * 86400)
            let ada = try await fleet.fixture.login()
            let statement = try fleet.fleet.statement(
                .run(try fleet.restart([node])),
                seed: "late",
                lifetime: 86400,
                issued: fleet.fixture.clock.now()
            )
            _ = try await fleet.client.send(statement, session: ada)
            let renewed = try await TestNode(fleet.fixture, node.id, TestKey("node-alpha"))
            #expect(try await fleet.manifest(renewed)?.runs.isEmpty != false)
            #expect(try await fleet.record(statement.statement.id).counts == [.waiting: 1])
            try await fleet.fixture.ask(
                .extendNode(ExtendNodeBody(node: node.id, reason: "test")),
                seed: "extend"
            )
            #expect(try await fleet.manifest(renewed)?.runs.count == 1)
        }
    }

    @Test("A service that is started again goes on where it was, and nothing that it acknowledged is lost")
    func restart() async throws {
        let directory = "/tmp/muster-run-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        let simulator = try RunFleet.simulator()
        var ids: [NodeID] = []
        var run: RunID?
        try await RunFleet.run(in: directory, as: simulator, isNew: true) { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta", "gamma"])
            ids = nodes.map(\.id)
            let fanOut = RunBody.FanOut(concurrency: 2, batch: 0, maximumFailures: 0)
            let id = try await fleet.ask(try fleet.restart(nodes, fanOut: fanOut)).statement.id
            run = id
            for node in nodes where try await fleet.manifest(node)?.runs.isEmpty == false {
                try await fleet.say(.started, id, node, [RunFleet.piece("one\n")])
            }
            #expect(try await fleet.record(id).counts == [.started: 2, .waiting: 1])
        }
        let id = try #require(run)
        try await RunFleet.run(in: directory, as: simulator, isNew: false) { fleet in
            #expect(try await fleet.record(id).counts == [.started: 2, .waiting: 1])
            var done = 0
            for (name, node) in zip(["alpha", "beta", "gamma"], ids) {
                let node = try await TestNode(fleet.fixture, node, TestKey("node-" + name))
                guard try await fleet.states(id)[name] == .started else { continue }
                try await fleet.say(.ended, id, node, exit: 0, offset: 4, [RunFleet.piece("two\n")])
                done += 1
            }
            #expect(done == 2)
            for (name, node) in zip(["alpha", "beta", "gamma"], ids) where try await fleet.states(id)[name] == .waiting
            {
                let node = try await TestNode(fleet.fixture, node, TestKey("node-" + name))
                #expect(try await fleet.manifest(node)?.runs.count == 1)
                try await fleet.say(.ended, id, node, exit: 0)
            }
            let record = try await fleet.record(id)
            #expect(record.state == .succeeded, "\(record.counts)")
            #expect(try await fleet.output(id).split(separator: "\n").count == 4)
        }
    }
}
