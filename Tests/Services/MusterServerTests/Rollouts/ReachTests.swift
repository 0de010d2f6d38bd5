import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterServer

@Suite("Being reached by a second node")
struct ReachTests {
    private let nonce = [UInt8](repeating: 7, count: ReachTask.nonceLength)

    private func request(_ address: String = "127.0.0.1", nonce: [UInt8]? = nil) throws -> ReachRequest {
        ReachRequest(
            rollout: try #require(RolloutID(String(repeating: "a", count: 32))),
            address: address,
            port: 40123,
            nonce: nonce ?? self.nonce
        )
    }

    private func mayReach(_ node: TestNode, _ fleet: RolloutFleet) async throws {
        var report = TestNode.report(version: "1.0")
        report.reachesOthers = true
        _ = try await fleet.client.report(report, session: node.session)
    }

    private func tasks(_ node: TestNode) async throws -> [ReachTask] {
        guard let envelope = try await node.manifest() else { return [] }
        return try RolloutFleet.manifest(envelope).reach
    }

    @Test("the wish goes to nodes whose owners allow it, once each, and never back to who asked")
    func asking() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", []), ("gamma", [])]) { fleet in
            let (alpha, beta, gamma) = (fleet.nodes[0], fleet.nodes[1], fleet.nodes[2])
            let nobody = try await fleet.client.reach(try request(), session: alpha.session)
            #expect(nobody.asked == 0)
            #expect(nobody.detail.contains("reach_others"))
            for node in [alpha, beta] { try await mayReach(node, fleet) }
            let reply = try await fleet.client.reach(try request(), session: alpha.session)
            #expect(reply.asked == 1)
            #expect(reply.detail == "asked beta")
            let task = try #require(try await tasks(beta).first)
            #expect(task.address == "127.0.0.1" && task.port == 40123 && task.nonce == nonce)
            #expect(task.until > fleet.fixture.clock.now())
            #expect(try await tasks(alpha).isEmpty)
            #expect(try await tasks(gamma).isEmpty)

            let again = try await fleet.client.reach(try request(), session: alpha.session)
            #expect(again.asked == 1, "who was asked is not asked again: \(again.detail)")
            try await mayReach(gamma, fleet)
            #expect(try await fleet.client.reach(try request(), session: alpha.session).asked == 2)
            #expect(try await tasks(gamma).map(\.nonce) == [nonce])

            let other = [UInt8](repeating: 8, count: ReachTask.nonceLength)
            _ = try await fleet.client.reach(try request(nonce: other), session: alpha.session)
            #expect(try await tasks(beta).map(\.nonce) == [other], "what was waited for before is over")
        }
    }

    @Test("a wish wakes the other node's long poll, and is gone when its time is over")
    func waking() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", [])]) { fleet in
            let (alpha, beta) = (fleet.nodes[0], fleet.nodes[1])
            try await mayReach(beta, fleet)
            async let woken = beta.manifest(wait: 55)
            #expect(await eventually { fleet.fixture.server.service.nodePolls.count > 0 })
            _ = try await fleet.client.reach(try request(), session: alpha.session)
            let envelope = try #require(try await woken)
            #expect(try RolloutFleet.manifest(envelope).reach.count == 1)
            fleet.fixture.clock.advance(seconds: 121)
            #expect(fleet.fixture.server.service.reach.tasks(of: beta.id, at: fleet.fixture.clock.now()).isEmpty)
        }
    }

    @Test("no other machine's address is handed out, and nobody without a session is heard")
    func otherAddress() async throws {
        try await RolloutFleet.run([("alpha", []), ("beta", [])]) { fleet in
            try await mayReach(fleet.nodes[1], fleet)
            for address in ["100.64.0.9", "localhost", "::1"] {
                await expectProblem(403) {
                    _ = try await fleet.client.reach(try request(address), session: fleet.nodes[0].session)
                }
            }
            await expectProblem(401) { _ = try await fleet.client.reach(try request(), session: fleet.session) }
            #expect(try await tasks(fleet.nodes[1]).isEmpty)
        }
    }

    @Test("a manifest with a wish is read back as it was written, and one without has no such member")
    func manifest() throws {
        let fleet = try #require(FleetID(digest: [UInt8](repeating: 1, count: 32)))
        let node = try #require(NodeID("alpha"))
        let time = UTCTime(seconds: 1_800_000_000)
        func manifest(_ reach: [ReachTask]) -> UpdateManifest {
            UpdateManifest(
                fleet: fleet,
                node: node,
                sequence: 1,
                issued: time,
                expires: time.adding(seconds: 900),
                timestampVersion: 1,
                assignments: [],
                tags: [],
                reach: reach
            )
        }
        #expect(manifest([]).json["reach"] == nil)
        let asking = manifest([ReachTask(address: "100.64.0.7", port: 1, nonce: nonce, until: time)])
        #expect(try UpdateManifest(JSONFields(asking.json)) == asking)
    }
}
