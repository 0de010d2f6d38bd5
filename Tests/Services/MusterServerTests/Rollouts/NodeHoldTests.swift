import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterStore
import MusterTestSupport
import Testing

@testable import MusterServer

@Suite("Holds and pins of nodes")
struct NodeHoldTests {
    @Test("a held node is passed by with the reason, and gets its turn once the hold is lifted")
    func hold() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", [])]) { fleet in
            let (alpha, beta) = (fleet.nodes[0], fleet.nodes[1])
            let held = try await fleet.client.hold(
                alpha.id,
                HoldRequest(reason: "the disk is failing"),
                session: fleet.session
            )
            #expect(held.hold?.reason == "the disk is failing")
            #expect(held.hold?.by.text == "ada")
            let id = try await fleet.start()
            #expect(try await fleet.assigned(alpha) == [])
            #expect(try await fleet.assigned(beta) == [id])
            let part = try #require(try await fleet.part(alpha, of: id))
            #expect(part.state == "skipped")
            #expect(part.reason == "held by ada: the disk is failing")
            let free = try await fleet.client.unhold(alpha.id, reason: "replaced", session: fleet.session)
            #expect(free.hold == nil)
            try await alpha.report(version: "1.0")
            #expect(try await fleet.assigned(alpha) == [id])
            #expect(try await fleet.fixture.events("node-held").first?.actor == "ada")
            #expect(try await fleet.fixture.events("node-unheld").count == 1)
            await expectProblem(409) {
                _ = try await fleet.client.unhold(alpha.id, reason: "", session: fleet.session)
            }
        }
    }

    @Test("a hold that is given while the node has its work takes the work away")
    func lateHold() async throws {
        try await RolloutFleet.run([("alpha", [])]) { fleet in
            let node = fleet.nodes[0]
            let id = try await fleet.start()
            #expect(try await fleet.assigned(node) == [id])
            _ = try await fleet.client.hold(node.id, HoldRequest(reason: "wait"), session: fleet.session)
            #expect(try await fleet.assigned(node) == [])
            #expect(try await fleet.part(node, of: id)?.reason == "held by ada: wait")
        }
    }

    @Test("a hold with an end ends by itself, also where the service was not there at that moment")
    func end() async throws {
        try await RolloutFleet.run([("alpha", [])]) { fleet in
            let node = fleet.nodes[0]
            let until = fleet.fixture.clock.now().adding(seconds: 300)
            let request = HoldRequest(reason: "moved to another rack", until: until)
            _ = try await fleet.client.hold(node.id, request, session: fleet.session)
            let id = try await fleet.start()
            #expect(try await fleet.part(node, of: id)?.state == "skipped")
            fleet.fixture.clock.advance(seconds: 301)
            try await fleet.fixture.server.service.endHolds(at: fleet.fixture.clock.now())
            try await node.report(version: "1.0")
            #expect(try await fleet.assigned(node) == [id])
            #expect(try await fleet.fixture.record(node.id).hold == nil)
            #expect(try await fleet.fixture.events("node-hold-ended").count == 1)
            await expectProblem(400) {
                let past = HoldRequest(reason: "too late", until: until)
                _ = try await fleet.client.hold(node.id, past, session: fleet.session)
            }
        }
    }

    @Test("anyone may hold; only who held it, or may upgrade the node, lifts it or puts another in its place")
    func lifting() async throws {
        try await RolloutFleet.run([("web1", ["web"]), ("db1", ["db"])]) { fleet in
            let (web, database) = (fleet.nodes[0], fleet.nodes[1])
            let (ben, cat) = (try await fleet.fixture.login("ben"), try await fleet.fixture.login("cat"))
            _ = try await fleet.client.hold(database.id, HoldRequest(reason: "month end"), session: cat)
            await expectProblem(403) { _ = try await fleet.client.unhold(database.id, reason: "", session: ben) }
            await expectProblem(403) {
                _ = try await fleet.client.hold(database.id, HoldRequest(reason: "mine"), session: ben)
            }
            #expect(try await fleet.fixture.record(database.id).hold?.by.text == "cat")
            #expect(try await fleet.client.unhold(database.id, reason: "", session: cat).hold == nil)

            // Ben may upgrade web nodes, with an approval.
            _ = try await fleet.client.hold(web.id, HoldRequest(reason: "a test"), session: cat)
            #expect(try await fleet.client.unhold(web.id, reason: "", session: ben).hold == nil)
            await expectProblem(401) {
                _ = try await fleet.client.hold(web.id, HoldRequest(reason: "x"), session: "none")
            }
            await expectProblem(400) {
                _ = try await fleet.client.hold(web.id, HoldRequest(reason: "  "), session: cat)
            }
        }
    }

    @Test("a pinned package stays as it is, or takes its one version; other pins do not stand in the way")
    func pins() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", []), ("gamma", [])]) { fleet in
            let (alpha, beta, gamma) = (fleet.nodes[0], fleet.nodes[1], fleet.nodes[2])
            let (client, session) = (fleet.client, fleet.session)
            _ = try await client.pin(alpha.id, PinRequest(package: "hello", reason: "certified"), session: session)
            _ = try await client.pin(
                beta.id,
                PinRequest(package: "hello", version: "2.0", reason: "tested"),
                session: session
            )
            _ = try await client.pin(gamma.id, PinRequest(package: "other", reason: "no matter"), session: session)
            let id = try await fleet.start()
            #expect(try await fleet.assigned(alpha) == [])
            #expect(try await fleet.part(alpha, of: id)?.reason == "hello is pinned by ada: certified")
            #expect(try await fleet.assigned(beta) == [id])
            #expect(try await fleet.assigned(gamma) == [id])
            let left = try await client.unpin(alpha.id, UnpinRequest(package: "hello"), session: session)
            #expect(left.pins.isEmpty)
            try await alpha.report(version: "1.0")
            #expect(try await fleet.assigned(alpha) == [id])
        }
    }

    @Test("a node has so many pins and no more, and one of them may still be changed")
    func pinLimit() async throws {
        try await RolloutFleet.run([("alpha", [])]) { fleet in
            let (node, nodes) = (fleet.nodes[0], fleet.fixture.server.service.nodes)
            let ada = try #require(OperatorName("ada"))
            let time = fleet.fixture.clock.now()
            let pins = (0..<NodeHolds.pinLimit).map {
                StoredPin(package: "p\($0)", version: nil, reason: "kept", by: ada, since: time)
            }
            nodes.set(hold: nil, pins: pins, of: node.id)
            await expectProblem(429) {
                let pin = PinRequest(package: "hello", reason: "one too many")
                _ = try await fleet.client.pin(node.id, pin, session: fleet.session)
            }
            let other = PinRequest(package: "p7", version: "2.0", reason: "tested")
            let record = try await fleet.client.pin(node.id, other, session: fleet.session)
            #expect(record.pins.count == NodeHolds.pinLimit)
            #expect(record.pins.first { $0.package == "p7" }?.version == "2.0")
        }
    }

    @Test("what the node's own configuration pins is shown, and passed by without a word of the service")
    func localPins() async throws {
        try await RolloutFleet.run([("alpha", [])]) { fleet in
            let node = fleet.nodes[0]
            var report = TestNode.report(version: "1.0")
            report.localPins = ["hello": "the vendor asks for it"]
            report.rebootNeeded = "a new kernel is installed"
            report.metrics = ["p99": 12_500]
            _ = try await fleet.client.report(report, session: node.session)
            let id = try await fleet.start()
            let reason = "hello is pinned by the node's own configuration: the vendor asks for it"
            #expect(try await fleet.part(node, of: id)?.reason == reason)
            let record = try await fleet.fixture.record(node.id)
            #expect(record.pins.map(\.package) == ["hello"])
            #expect(record.pins.first?.by == nil)
            #expect(record.report?.rebootNeeded == "a new kernel is installed")
            #expect(record.report?.metrics == ["p99": 12_500])
        }
    }

    @Test("holds and pins are there after a restart, and gone with the node")
    func restart() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", [])]) { fleet in
            let (alpha, beta) = (fleet.nodes[0], fleet.nodes[1])
            for node in [alpha, beta] {
                _ = try await fleet.client.hold(node.id, HoldRequest(reason: "kept"), session: fleet.session)
                let pin = PinRequest(package: "hello", reason: "kept too")
                _ = try await fleet.client.pin(node.id, pin, session: fleet.session)
            }
            let body = RemoveNodeBody(node: beta.id, reason: "scrapped")
            let statement = try fleet.fixture.fleet.statement(.removeNode(body), issued: fleet.fixture.clock.now())
            _ = try await fleet.client.send(statement, session: fleet.session)
            let register = NodeRegister()
            try await register.load(fleet.fixture.server.service.store)
            #expect(register[alpha.id]?.hold?.reason == "kept")
            #expect(register[alpha.id]?.pins.map(\.package) == ["hello"])
            let (holds, pins) = try await fleet.fixture.server.service.store.read { (try $0.holds(), try $0.pins()) }
            #expect(Array(holds.keys) == [alpha.id])
            #expect(Array(pins.keys) == [alpha.id])
        }
    }

    @Test("a node below a release's floor is passed by until it has passed through it; a roll-back asks for none")
    func floor() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", [])], floor: "1.5") { fleet in
            let (alpha, beta) = (fleet.nodes[0], fleet.nodes[1])
            try await beta.report(version: "1.5")
            let id = try await fleet.start()
            #expect(try await fleet.assigned(alpha) == [])
            #expect(try await fleet.assigned(beta) == [id])
            let reason = "hello 1.5 has to be passed through first, and this node has 1.0"
            #expect(try await fleet.part(alpha, of: id)?.reason == reason)
            try await alpha.report(version: "1.5-1")
            #expect(try await fleet.assigned(alpha) == [id])
        }
    }
}
