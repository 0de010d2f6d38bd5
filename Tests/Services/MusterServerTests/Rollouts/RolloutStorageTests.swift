import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterServer
@testable import MusterStore

@Suite("Rollouts in the register")
struct RolloutStorageTests {
    @Test("a change of one node writes that node alone, and what each had before is kept")
    func rows() async throws {
        let names = (0..<12).map { (name: "n\($0)", tags: [String]()) }
        try await RolloutFleet.run(names) { fleet in
            let id = try await fleet.start()
            let store = fleet.fixture.server.service.store
            var chosen: TestNode?
            for node in fleet.nodes where try await fleet.assigned(node) == [id] { chosen = node }
            let node = try #require(chosen)
            let before = try await store.read { try $0.rolloutNodes(of: id) }
            #expect(before.count == 12)
            #expect(before.map(\.position) == Array(0..<12))
            try await fleet.upgrade(node, id)
            let after = try await store.read { try $0.rolloutNodes(of: id) }
            let changed = zip(before, after).filter { $0.0.state != $0.1.state }
            #expect(changed.count <= 3, "the node, and those that got its place: \(changed.count)")
            let part = try #require(try await fleet.part(node, of: id))
            #expect(part.before == "1.0")
            #expect(part.version == "2.0")
            let stored = try #require(try await store.read { try $0.rollout(id) })
            #expect(stored.state["engine"]?["nodes"] == nil)
        }
    }

    @Test("a register whose rollouts have their nodes within is taken over, and they go on where they were")
    func conversion() async throws {
        let directory = "/tmp/muster-rollout-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        let simulator = try FleetSimulator(time: WallClock.now())
        var rollout: RolloutID?
        var shown: RolloutRecord?
        try await ServerFixture.run(in: directory, withFleet: true, as: simulator) { fixture in
            let fleet = try await RolloutFleet(fixture, [("alpha", []), ("beta", []), ("gamma", [])])
            let strategy = RolloutStrategy(stages: [.count(1), .percent(100)], bakeSeconds: 3600, maxFailures: 3)
            let id = try await fleet.start(strategy: strategy)
            for node in fleet.nodes where try await fleet.assigned(node) == [id] { try await fleet.upgrade(node, id) }
            rollout = id
            shown = try await fleet.record(id)
        }
        let id = try #require(rollout)
        try await Self.takeBack(directory + "/muster.db")
        try await ServerFixture.run(in: directory, withFleet: false, as: simulator) { fixture in
            let record = try await fixture.client.rollout(id, session: try await fixture.login())
            #expect(record.stages == shown?.stages)
            #expect(record.nodes.map(\.state) == shown?.nodes.map(\.state))
            #expect(record.nodes.map(\.id) == shown?.nodes.map(\.id))
            #expect(record.state == "running")
            let rows = try await fixture.server.service.store.read { try $0.rolloutNodes(of: id) }
            #expect(rows.count == 3)
            fixture.clock.advance(seconds: 3700)
            try await fixture.server.service.rollouts.tick(at: fixture.clock.now())
            let later = try await fixture.client.rollout(id, session: try await fixture.login())
            #expect(later.stages.last?.state == "open", "the bake time went on: \(later.stages)")
            let list = try await fixture.client.rollouts(session: try await fixture.login())
            #expect(list.map(\.id) == [id])
        }
    }

    /// Makes the register one from before rollouts had rows of their own for nodes.
    private static func takeBack(_ database: String) async throws {
        let driver = try SQLiteDriver(path: database)
        try await driver.write { transaction in
            for row in try transaction.rows("SELECT id, state FROM rollouts", []) {
                let state = try JSONValue.parse(Array(try row.text(1).utf8), limit: 1_000_000)
                guard case .object(var object) = state, case .object(var engine)? = object["engine"] else { continue }
                let nodes = try transaction.rows(
                    "SELECT state FROM rollout_nodes WHERE rollout = $1 ORDER BY position",
                    [.text(try row.text(0))]
                ).map { try JSONValue.parse(Array(try $0.text(0).utf8), limit: 65536) }
                engine["nodes"] = .array(nodes)
                object["engine"] = .object(engine)
                object["stages"] = nil
                object["reason"] = nil
                try transaction.run(
                    "UPDATE rollouts SET state = $2 WHERE id = $1",
                    [
                        .text(try row.text(0)),
                        .text(String(decoding: JSONValue.object(object).canonicalBytes, as: UTF8.self)),
                    ]
                )
            }
            let later = ["rollout_nodes", "node_holds", "node_pins", "node_key_successions"]
            for table in later { try transaction.run("DROP TABLE \(table)", []) }
            try transaction.run("DELETE FROM migrations WHERE number >= 7", [])
        }
        try driver.close()
    }
}
