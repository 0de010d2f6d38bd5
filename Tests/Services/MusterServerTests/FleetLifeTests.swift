import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import MusterTrust
import SignatureVerification
import TUF
import TUFTrust
import Testing

@testable import MusterServer

@Suite("The life of a fleet over HTTP")
struct FleetLifeTests {
    @Test("A fleet is made once, a client trusts what is served, and the set-up token dies")
    func creation() async throws {
        try await ServerFixture.run(withFleet: false) { fixture in
            let token = try #require(try fixture.server.service.makeSetupToken()).line
            try await fixture.client.makeFleet(try fixture.upload(token: token))
            #expect(try await fixture.client.serviceDescription().fleet == fixture.fleet.fleet)
            #expect(try fixture.server.service.setupToken() == nil)
            await #expect(throws: (any Error).self) {
                try await fixture.client.makeFleet(try fixture.upload(token: token))
            }
        }
    }

    @Test("A fleet whose root names other keys than the service's, or a wrong token, makes nothing")
    func wrongCreation() async throws {
        try await ServerFixture.run(withFleet: false) { fixture in
            let token = try #require(try fixture.server.service.makeSetupToken()).line
            var other = fixture.fleet
            other.timestampKey = TestKey("somebody else")
            try other.publish()
            await expectProblem(422) { try await fixture.client.makeFleet(try fixture.upload(other, token: token)) }
            let wrong = String(token.dropLast(4)) + "AAAA"
            await expectProblem(401) { try await fixture.client.makeFleet(try fixture.upload(token: wrong)) }
            #expect(try await fixture.client.serviceDescription().fleet == nil)
        }
    }

    @Test("What a replaced key signed is not handed out again, since nodes that know the new one refuse it")
    func replacedKey() {
        let content = Manifests.Content(
            assignments: [],
            tags: [],
            work: RunWork.Content(),
            reach: [],
            stored: nil
        )
        let (old, new) = (TestKey("manifest").publicKey, TestKey("the next manifest key").publicKey)
        #expect(content.digest(signedBy: old) == content.digest(signedBy: old))
        #expect(content.digest(signedBy: old) != content.digest(signedBy: new))
    }

    @Test("The service goes on above what a node has, but not to where a thief's manifest has led it")
    func sequences() {
        let limit = UpdateManifest.sequenceLimit
        #expect(Manifests.sequence(above: 0, 0) == 1)
        #expect(Manifests.sequence(above: 3, 9) == 10)
        #expect(Manifests.sequence(above: 9, 3) == 10)
        #expect(Manifests.sequence(above: 9, limit) == 10)
        #expect(Manifests.sequence(above: limit, 0) == 1)
        #expect(Manifests.sequence(above: limit / 2, limit) == limit / 2 + 1)
    }

    @Test("An upgrade goes from statement to confirmation: enroll, report, manifest, stages, complete")
    func upgrade() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            let secret = try await fixture.token(uses: 2, by: session)
            let nodes = [
                try await fixture.node("alpha", secret: secret), try await fixture.node("beta", secret: secret),
            ]
            for node in nodes { try await node.report(version: "1.0") }
            let strategy = RolloutStrategy(stages: [.count(1), .percent(100)], bakeSeconds: 0)
            let statement = try fixture.fleet.statement(
                .upgrade(try fixture.fleet.upgrade(to: path, strategy: strategy)),
                seed: "upgrade",
                issued: fixture.clock.now()
            )
            let reply = try await fixture.client.send(statement, session: session)
            #expect(reply.state == "accepted")
            let id = statement.statement.id

            var waiting = nodes
            for _ in nodes {
                var next: TestNode?
                for node in waiting where try await node.manifest() != nil { next = node }
                let node = try #require(next)
                waiting.removeAll { $0.id == node.id }
                let envelope = try #require(try await node.manifest())
                try check(envelope, node, fixture)
                try await node.report(version: "1.0", [node.progress(id, .installing, version: "1.0")])
                try await node.report(version: "2.0", [node.progress(id, .confirmed, version: "2.0")])
            }
            let record = try await fixture.client.rollout(id, session: session)
            #expect(record.state == "complete")
            #expect(record.nodes.allSatisfy { $0.state == "confirmed" && $0.version == "2.0" })
            let events = try await fixture.client.events(after: 0, wait: 0, session: session)
            #expect(events.map(\.sequence) == Array(1...Int64(events.count)))
            #expect(events.contains { $0.type == "rollout-completed" })
            #expect(events.count { $0.type == "node-confirmed" } == 2)
        }
    }

    private func check(_ envelope: [UInt8], _ node: TestNode, _ fixture: ServerFixture) throws {
        let manifest = try ManifestVerifier.verify(
            envelope,
            keys: [fixture.fleet.manifestKey.tuf.id: fixture.fleet.manifestKey.tuf],
            threshold: 1,
            fleet: fixture.fleet.fleet,
            node: node.id,
            lastSequence: 0,
            time: fixture.clock.now()
        )
        #expect(manifest.assignments.count == 1)
    }

    @Test("A failing node halts the rollout with a reason, and a roll-back supersedes it")
    func haltAndRollBack() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let old = try await fixture.release("1.0", counter: 1, by: session)
            let new = try await fixture.release("2.0", counter: 2, by: session)
            let secret = try await fixture.token(uses: 2, by: session)
            let alpha = try await fixture.node("alpha", secret: secret)
            try await alpha.report(version: "1.0")
            let upgrade = try fixture.fleet.statement(
                .upgrade(try fixture.fleet.upgrade(to: new)),
                seed: "up",
                issued: fixture.clock.now()
            )
            _ = try await fixture.client.send(upgrade, session: session)
            #expect(try await alpha.manifest() != nil)
            let id = upgrade.statement.id
            try await alpha.report(version: "1.0", [alpha.progress(id, .installing, version: "1.0")])
            try await alpha.report(version: "1.0", [alpha.progress(id, .rolledBack, version: "1.0")])
            let halted = try await fixture.client.rollout(id, session: session)
            #expect(halted.state == "halted")
            #expect(halted.reason.contains("1 node failed"))
            let back = try fixture.fleet.statement(
                .rollBack(try fixture.fleet.upgrade(to: old)),
                seed: "back",
                issued: fixture.clock.now()
            )
            _ = try await fixture.client.send(back, session: session)
            #expect(try await fixture.client.rollout(id, session: session).state == "cancelled")
            #expect(try await fixture.client.rollout(back.statement.id, session: session).state == "complete")
        }
    }

    @Test("A rollout waits for an approver who counts, and not for the requester or a stranger")
    func approval() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            let secret = try await fixture.token(uses: 1, by: session)
            let node = try await fixture.node("alpha", secret: secret)
            try await node.report(version: "1.0")
            guard let web = MusterModel.Tag("web") else { return }
            let body = try fixture.fleet.upgrade(to: path, nodes: [.tag(web)])
            let statement = try fixture.fleet.statement(
                .upgrade(body),
                by: ["ben"],
                seed: "ben's",
                issued: fixture.clock.now()
            )
            let ben = try await fixture.login("ben")
            let reply = try await fixture.client.send(statement, session: ben)
            #expect(reply.state == "waiting")
            let id = statement.statement.id
            #expect(try await node.manifest() == nil)
            for name in ["ben", "eve"] {
                let signature = try FleetSimulator.operatorKey(name).sshSignature(
                    of: statement.signedBytes,
                    namespace: "upgrade@muster"
                )
                await #expect(throws: (any Error).self) {
                    try await fixture.client.approve(id, signature: signature, session: ben)
                }
            }
            let signature = try FleetSimulator.operatorKey("cat").sshSignature(
                of: statement.signedBytes,
                namespace: "upgrade@muster"
            )
            let approved = try await fixture.client.approve(id, signature: signature, session: session)
            #expect(approved.state == "running")
            #expect(approved.signers.map(\.text) == ["ben", "cat"])
            #expect(try await node.manifest() != nil)
        }
    }

    @Test("A long poll for a manifest wakes when work arrives, and ends empty in time when none does")
    func longPoll() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            let secret = try await fixture.token(uses: 1, by: session)
            let node = try await fixture.node("alpha", secret: secret)
            try await node.report(version: "1.0")
            #expect(try await node.manifest(wait: 1) == nil)
            async let woken = node.manifest(wait: 55)
            try await Task.sleep(for: .milliseconds(200))
            let statement = try fixture.fleet.statement(
                .upgrade(try fixture.fleet.upgrade(to: path)),
                seed: "up",
                issued: fixture.clock.now()
            )
            _ = try await fixture.client.send(statement, session: session)
            #expect(try await woken != nil)
        }
    }

    @Test("A service that ends lets go of long polls long before their time is over")
    func endingWithPolls() async throws {
        let clock = ContinuousClock()
        var start = clock.now
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 1, by: session)
            let node = try await fixture.node("alpha", secret: secret)
            let poll = Task { try? await node.manifest(wait: 60) }
            try await Task.sleep(for: .milliseconds(200))
            start = clock.now
            fixture.server.service.endPolls()
            _ = await poll.value
        }
        #expect(clock.now - start < .seconds(55))
    }
}

/// Expects that a call is refused with this status.
func expectProblem(
    _ status: Int,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ call: () async throws -> Void
) async {
    do {
        try await call()
        Issue.record("was not refused", sourceLocation: sourceLocation)
    } catch {
        #expect(error.problemStatus == status, "\(error)", sourceLocation: sourceLocation)
    }
}
