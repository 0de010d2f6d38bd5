import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterServer

@Suite("The course of runs")
struct RunCourseTests {
    @Test("A run reaches its nodes in a manifest, and what they say of it is there for everybody who asks")
    func whole() async throws {
        try await RunFleet.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta", "gamma"])
            let statement = try await fleet.ask(try fleet.restart(Array(nodes.prefix(2))))
            let id = statement.statement.id
            for node in nodes.prefix(2) {
                let manifest = try #require(try await fleet.manifest(node))
                #expect(manifest.runs.map(\.run) == [id] && manifest.cancelled.isEmpty)
                #expect(manifest.runs[0].statement == statement)
                try await fleet.say(.started, id, node)
                let first = try await fleet.say(.started, id, node, [RunFleet.piece("restarting\n")])
                #expect(first == RunUpdateReply(received: 11, cancel: false))
            }
            #expect(try await fleet.manifest(nodes[2]) == nil)
            try await fleet.say(.ended, id, nodes[0], exit: 0, offset: 11, [RunFleet.piece("done\n")])
            try await fleet.say(.ended, id, nodes[1], exit: 3, reason: "oh", offset: 11)
            let record = try await fleet.record(id)
            #expect(record.state == .failed && record.counts == [.succeeded: 1, .failed: 1])
            #expect(record.reason == "1 succeeded, 1 failed" && record.ended != nil)
            let failed = try #require(record.nodes.first { $0.state == .failed })
            #expect(failed.reason == "exited with status 3; oh" && failed.result?.ending == .exited(3))
            #expect(try await fleet.output(id, node: nodes[0].id) == "restarting\ndone\n")
            let output = try await fleet.client.runOutput(id, session: fleet.session)
            #expect(output.isComplete && output.chunks.map(\.sequence) == [1, 2, 3])
            let events = try await fleet.events(id)
            #expect(events.prefix(2) == ["run-asked", "run-started"] && events.last == "run-ended")
            #expect(events.count { $0 == "run-node-started" } == 2 && events.count { $0 == "run-node-ended" } == 2)
        }
    }

    @Test("A node that waits for work is woken, and so are operators who watch")
    func wakes() async throws {
        try await RunFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            async let woken = fleet.manifest(node, wait: 20)
            try await Task.sleep(for: .milliseconds(300))
            let id = try await fleet.ask(try fleet.restart([node])).statement.id
            #expect(try await woken?.runs.map(\.run) == [id])
            let revision = try await fleet.record(id).revision
            async let news = fleet.client.run(id, after: revision, wait: 20, session: fleet.session)
            async let output = fleet.client.runOutput(id, wait: 20, session: fleet.session)
            try await Task.sleep(for: .milliseconds(300))
            try await fleet.say(.started, id, node, [RunFleet.piece("x")])
            #expect(try await news.nodes[0].state == .started)
            #expect(try await output.chunks.count == 1)
        }
    }

    @Test("No more nodes than allowed have it at once, and after too many failures no further one gets it")
    func limits() async throws {
        try await RunFleet.run { fleet in
            let nodes = try await fleet.nodes(["a", "b", "c", "d"])
            let fanOut = RunBody.FanOut(concurrency: 1, batch: 0, maximumFailures: 1)
            let id = try await fleet.ask(try fleet.restart(nodes, fanOut: fanOut)).statement.id
            var tried = 0
            for _ in 0..<2 {
                let record = try await fleet.record(id)
                let assigned = record.nodes.filter { $0.state == .assigned }
                #expect(assigned.count == 1)
                let node = try #require(nodes.first { $0.id == assigned.first?.id })
                #expect(try await fleet.manifest(node)?.runs.count == 1)
                try await fleet.say(.started, id, node)
                try await fleet.say(.ended, id, node, exit: 1)
                tried += 1
            }
            let record = try await fleet.record(id)
            #expect(record.state == .halted && record.counts == [.failed: 2, .notStarted: 2], "\(record.counts)")
            #expect(record.reason == "2 nodes failed, more than the 1 that may: no further one begins")
            for node in nodes {
                let manifest = try await fleet.manifest(node)
                #expect(manifest?.runs.isEmpty != false)
            }
        }
    }

    @Test("A cancelled run is taken from those who have not begun, and ended on those who have")
    func cancelled() async throws {
        try await RunFleet.run { fleet in
            let nodes = try await fleet.nodes(["a", "b", "c"])
            let fanOut = RunBody.FanOut(concurrency: 2, batch: 0, maximumFailures: nil)
            let id = try await fleet.ask(try fleet.restart(nodes, fanOut: fanOut)).statement.id
            let first = try await fleet.record(id).nodes.filter { $0.state == .assigned }.map(\.id)
            let begun = try #require(nodes.first { first.contains($0.id) })
            let manifest = try #require(try await fleet.manifest(begun))
            try await fleet.say(.started, id, begun)
            let by = try await fleet.fixture.login("ben")
            let record = try await fleet.client.cancelRun(id, reason: "wrong unit", session: by)
            #expect(record.state == .stopping && record.counts == [.started: 1, .notStarted: 2])
            #expect(record.reason.hasPrefix("cancelled by ben: wrong unit"))
            let next = try #require(try await fleet.manifest(begun, after: manifest.sequence))
            #expect(next.runs.isEmpty && next.cancelled == [id])
            #expect(try await fleet.say(.started, id, begun).cancel)
            let result = RunResult(
                ending: .signalled(15),
                cancelled: true,
                outputBytes: 0,
                started: fleet.fixture.clock.now(),
                milliseconds: 9
            )
            let update = RunUpdate(state: .ended, at: fleet.fixture.clock.now(), result: result)
            #expect(try await fleet.client.update(id, update, session: begun.session).cancel == false)
            let ended = try await fleet.record(id)
            #expect(ended.state == .cancelled && ended.counts == [.cancelled: 1, .notStarted: 2])
            // What is over stays in the manifest until that is renewed: nobody is woken for it.
            #expect(try await fleet.manifest(begun, after: next.sequence) == nil)
            await #expect { try await fleet.client.cancelRun(id, reason: "", session: by) } throws: {
                $0.problemStatus == 409
            }
        }
    }

    @Test("A scheduled run waits for its time, a late node for its contact, and both end when the statement expires")
    func scheduledAndExpired() async throws {
        try await RunFleet.run { fleet in
            let nodes = try await fleet.nodes(["a", "b"])
            let start = fleet.fixture.clock.now().adding(seconds: 600)
            let id = try await fleet.ask(try fleet.restart(nodes, notBefore: start)).statement.id
            #expect(try await fleet.record(id).state == .scheduled)
            #expect(try await fleet.manifest(nodes[0]) == nil)
            fleet.fixture.clock.advance(seconds: 700)
            try await fleet.fixture.server.service.runs.tick(at: fleet.fixture.clock.now())
            let running = try await fleet.record(id)
            #expect(running.state == .running && running.counts == [.waiting: 2], "\(running.counts)")
            #expect(running.reason.hasPrefix("2 nodes are not in contact"))
            #expect(try await fleet.manifest(nodes[0])?.runs.count == 1)
            try await fleet.say(.started, id, nodes[0])
            try await fleet.say(.ended, id, nodes[0], exit: 0)
            fleet.fixture.clock.advance(seconds: 3600)
            try await fleet.fixture.server.service.runs.tick(at: fleet.fixture.clock.now())
            let record = try await fleet.record(id)
            #expect(record.state == .expired && record.counts == [.succeeded: 1, .expired: 1], "\(record.counts)")
        }
    }

    @Test("A result that comes after the end is recorded all the same")
    func late() async throws {
        try await RunFleet.run { fleet in
            let node = try await fleet.nodes(["a"])[0]
            let id = try await fleet.ask(try fleet.restart([node])).statement.id
            #expect(try await fleet.manifest(node) != nil)
            try await fleet.say(.started, id, node)
            for _ in 0..<2 {
                fleet.fixture.clock.advance(seconds: 1700)
                try await fleet.fixture.server.service.runs.tick(at: fleet.fixture.clock.now())
            }
            let lost = try await fleet.record(id)
            #expect(lost.state == .failed && lost.counts == [.lost: 1], "\(lost.reason)")
            let renewed = try await TestNode(fleet.fixture, node.id, TestKey("node-a"))
            try await fleet.say(.ended, id, renewed, exit: 0, [RunFleet.piece("late\n")])
            let record = try await fleet.record(id)
            #expect(record.state == .succeeded && record.counts == [.succeeded: 1])
            #expect(try await fleet.output(id) == "late\n")
        }
    }
}
