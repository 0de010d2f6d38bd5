import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterIdentity
import MusterModel
import MusterStore
import MusterTestSupport
import SignatureVerification
import Testing

@testable import MusterServer

/// The life of node keys at the service: rotation, expiry, extension, exemption, removal.
@Suite("The life of node keys at the service")
struct KeyLifecycleTests {
    private static let day: Int64 = 86400
    private let next = TestKey("the next key")

    /// A service whose node keys live three days, with one node, `alpha`.
    private func withNode(_ body: (ServerFixture, KeyedNode) async throws -> Void) async throws {
        try await ServerFixture.run {
            $0.nodeKeyLifetime = 3 * Self.day
        } _: { fixture in
            let secret = try await fixture.token(uses: 9, by: try await fixture.login())
            try await body(fixture, try await KeyedNode(fixture, "alpha", secret: secret))
        }
    }

    private func extend(_ node: NodeID) -> StatementBody { .extendNode(ExtendNodeBody(node: node, reason: "on call")) }

    /// A key may not join, by token or by approval, because it is retired and for no other reason.
    private func expectRetired(_ fixture: ServerFixture, _ key: TestKey, secret: [UInt8]?) async {
        do {
            let reply = try await fixture.client.enroll(fixture.enrollRequest(key, name: "alpha", secret: secret))
            Issue.record("a retired key was answered \(reply)")
        } catch {
            #expect("\(error)".contains("this key was retired"), "\(error)")
        }
    }

    // MARK: - Rotation

    @Test(
        "rotation: both keys open sessions until the first with the new one, which retires the old one and its sessions"
    )
    func rotation() async throws {
        try await withNode { fixture, node in
            fixture.clock.advance(seconds: 2 * Self.day + Self.day / 2)
            let old = try await node.session()
            #expect(try await node.report(old)?.state == "due")
            let offered = fixture.clock.now()
            let expires = try await node.offer(next, old)
            #expect(abs(expires.seconds - offered.adding(seconds: 3 * Self.day).seconds) < 60)
            // The offer alone changes nothing for the old key.
            try await node.report(try await node.session())
            try await node.report(old)
            #expect(try await fixture.record(node.id).key?.state == "due")

            let new = try await node.session(with: next)
            #expect(try await node.report(new)?.state == "current")
            await expectProblem(401) { try await node.report(old) }
            await expectProblem(401) { _ = try await node.session() }
            let key = try #require(try await fixture.record(node.id).key)
            #expect(key.state == "current" && key.expires == expires)
            #expect(try await fixture.events("node-key-offered").count == 1)
            let rotated = try #require(try await fixture.events("node-key-rotated").first)
            #expect(rotated.actor == node.id.text)
            #expect(rotated.detail["old_key"] == .string(Hex.encode(node.key.publicKey)))
            #expect(rotated.detail["new_key"] == .string(Hex.encode(next.publicKey)))

            // Whoever knew the old key finds the new one by what the old one signed.
            let reader = try await fixture.login()
            let succession = try #require(
                try await fixture.client.node(node.id, session: reader).key?.successions.first
            )
            #expect(succession.oldKey == node.key.publicKey && succession.newKey == next.publicKey)
            let proof = NodeKeyRequest.proof(
                fleet: fixture.fleet.fleet,
                node: node.id,
                oldKey: node.key.publicKey,
                newKey: next.publicKey
            ).canonicalBytes
            #expect(Ed25519.verify(signature: succession.signature, message: proof, publicKey: node.key.publicKey))
        }
    }

    @Test("a rotation that is interrupted anywhere survives a restart of the service")
    func rotationOverRestart() async throws {
        let directory = "/tmp/muster-server-test-keys-" + next.publicKey.prefix(4).map(String.init).joined()
        defer { removeTree(directory) }
        var simulator: FleetSimulator?
        try await ServerFixture.run(in: directory, withFleet: true) { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            let node = try await KeyedNode(fixture, "alpha", secret: secret)
            fixture.clock.advance(seconds: 2 * Self.day)
            try await node.offer(next, try await node.session())
            simulator = fixture.fleet
        }
        try await ServerFixture.run(in: directory, withFleet: false, as: simulator) { fixture in
            let id = try #require(try await fixture.client.nodes(session: try await fixture.login()).first?.id)
            #expect(fixture.server.service.nodes[id]?.node.keyLife.next?.key == next.publicKey)
            let challenge = try await fixture.client.nodeChallenge(id).challenge
            let proof = NodeSessionRequest.proof(fleet: fixture.fleet.fleet, node: id, challenge: challenge)
            let request = NodeSessionRequest(
                node: id,
                challenge: challenge,
                signature: next.sign(proof.canonicalBytes)
            )
            _ = try await fixture.client.nodeSession(request)
            #expect(fixture.server.service.nodes[id]?.node.keyLife.key == next.publicKey)
            #expect(try await fixture.server.service.store.read { try $0.nodes().first?.key } == next.publicKey)
        }
    }

    @Test("offering the same key again, before and after it was used, changes nothing and is answered the same")
    func idempotent() async throws {
        try await withNode { fixture, node in
            fixture.clock.advance(seconds: 2 * Self.day + Self.day / 2)
            let old = try await node.session()
            let first = try await node.offer(next, old)
            #expect(try await node.offer(next, old) == first)
            let new = try await node.session(with: next)
            #expect(try await node.offer(next, new) == first)
            #expect(try await fixture.events("node-key-offered").count == 1)
        }
    }

    @Test(
        "attack: a new key that the present one or itself did not sign, or signed for another node or fleet, is refused",
        arguments: ["stolen session", "without the new key", "another node", "another fleet", "swapped"]
    )
    func forgedRotation(how: String) async throws {
        try await withNode { fixture, node in
            fixture.clock.advance(seconds: 2 * Self.day)
            let session = try await node.session()
            let thief = TestKey("thief")
            let other = try #require(NodeID("node-other"))
            await expectProblem(422) {
                switch how {
                case "stolen session": try await node.offer(thief, session, oldSigner: thief)
                case "without the new key": try await node.offer(next, session, newSigner: node.key)
                case "another node": try await node.offer(next, session, node: other)
                case "another fleet": try await node.offer(next, session, fleet: FleetID(digest: Digest.sha256([1])))
                default: try await node.offer(next, session, oldSigner: next, newSigner: node.key)
                }
            }
            #expect(fixture.server.service.nodes[node.id]?.node.keyLife.next == nil)
            await expectProblem(401) { _ = try await node.session(with: thief) }
        }
    }

    @Test("attack: a retired key, another node's key, or one that waits to be approved is never taken as a new one")
    func takenKeys() async throws {
        try await withNode { fixture, node in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 1, seed: "beta", by: session)
            let beta = try await KeyedNode(fixture, "beta", secret: secret)
            let waiting = TestKey("waiting")
            _ = try await fixture.client.enroll(fixture.enrollRequest(waiting, name: "gamma", secret: nil))
            fixture.clock.advance(seconds: 2 * Self.day)
            let old = try await node.session()
            await expectProblem(409) { try await node.offer(beta.key, old) }
            await expectProblem(409) { try await node.offer(waiting, old) }
            try await node.offer(next, old)
            await expectProblem(409) { try await beta.offer(next, try await beta.session()) }
            _ = try await node.session(with: next)
            fixture.clock.advance(seconds: 2 * Self.day)
            let new = try await node.session(with: next)
            await expectProblem(409) { try await node.offer(node.key, new, present: next) }
            // Nor may it join as another node.
            await expectRetired(fixture, node.key, secret: secret)
        }
    }

    @Test("a key is replaced at most once a day, whatever a node asks for")
    func tooEarly() async throws {
        try await withNode { fixture, node in
            let session = try await node.session()
            await expectProblem(429) { try await node.offer(next, session) }
            fixture.clock.advance(seconds: Self.day + 1)
            try await node.offer(next, try await node.session())
            await expectProblem(429) { try await node.offer(TestKey("one more"), try await node.session()) }
        }
    }

    @Test("a node from before keys had an end gets its key's life when the service starts")
    func oldRows() async throws {
        let directory = "/tmp/muster-server-test-old-rows-\(UInt32.random(in: 0...UInt32.max))"
        defer { removeTree(directory) }
        var simulator: FleetSimulator?
        try await ServerFixture.run(in: directory, withFleet: true) { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            _ = try await KeyedNode(fixture, "alpha", secret: secret)
            simulator = fixture.fleet
        }
        let driver = try SQLiteDriver(path: directory + "/muster.db")
        _ = try await driver.write { try $0.run("UPDATE nodes SET key_since = NULL, key_expires = NULL", []) }
        try driver.close()
        try await ServerFixture.run(in: directory, withFleet: false, as: simulator) { fixture in
            let key = try #require(try await fixture.client.nodes(session: try await fixture.login()).first?.key)
            let life = (key.expires?.seconds ?? 0) - key.since.seconds
            #expect(life == 180 * Self.day)
            #expect(abs(key.since.seconds - fixture.clock.now().seconds) < 60)
        }
    }

    // MARK: - Expiry

    @Test(
        "expiry: the node can say that it is there and is told why it may do nothing; its key replaces itself no more"
    )
    func expired() async throws {
        try await withNode { fixture, node in
            fixture.clock.advance(seconds: 3 * Self.day)
            try await fixture.noteExpiries()
            let session = try await node.session()
            #expect(try await node.report(session)?.state == "expired")
            let record = try await fixture.record(node.id)
            #expect(record.state == "key-expired")
            #expect(record.key?.state == "expired")
            #expect(record.report?.packages["hello"] == "1.0")
            await expectProblem(403) { try await node.offer(next, session) }
            try await fixture.noteExpiries()
            let events = try await fixture.events("node-key-expired")
            #expect(events.count == 1)
            #expect(events.first?.detail["name"] == "alpha")
            // What everybody may read, it may: metadata with news of trust.
            #expect(try await fixture.client.serviceDescription().fleet == fixture.fleet.fleet)
        }
    }

    @Test(
        "expiry: its manifest carries its tags and no work, rollouts pass it by with the reason, and go on without it"
    )
    func expiredInRollout() async throws {
        try await withNode { fixture, node in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            let old = try await node.session()
            try await node.report(old)
            fixture.clock.advance(seconds: 2 * Self.day)
            let secret = try await fixture.token(uses: 1, seed: "beta", by: try await fixture.login())
            let beta = try await KeyedNode(fixture, "beta", secret: secret)
            try await node.report(try await node.session())
            try await beta.report(try await beta.session())
            fixture.clock.advance(seconds: Self.day)
            try await fixture.noteExpiries()
            let betaSession = try await beta.session()
            let alphaSession = try await node.session()
            try await beta.report(betaSession)
            try await node.report(alphaSession)
            let red = MusterModel.Tag("red")
            let tag = try #require(red)
            try await fixture.ask(.tagNode(TagNodeBody(node: node.id, tags: [tag])), seed: "tag")

            let strategy = RolloutStrategy(stages: [.percent(100)], bakeSeconds: 0)
            let upgrade = try fixture.fleet.upgrade(to: path, strategy: strategy)
            let rollout = try await fixture.ask(.upgrade(upgrade), seed: "up").statement.statement.id
            let part = try await fixture.client.rollout(rollout, session: try await fixture.login()).nodes
            let alpha = try #require(part.first { $0.id == node.id })
            #expect(alpha.state == "skipped")
            #expect(alpha.reason.contains("its node key expired") && alpha.reason.contains("muster node extend alpha"))
            #expect(part.first { $0.id == beta.id }?.state == "assigned")
            let manifest = try #require(
                try await fixture.client.manifest(after: 0, wait: 0, session: alphaSession)
            )
            let signed = try JSONFields(try JSONValue.parse(manifest, limit: 1_000_000)).fields("signed")
            #expect(try signed.array("assignments", limit: 9).isEmpty)
            #expect(try signed.array("tags", limit: 9).count == 1)

            // Extended, it has its turn as soon as it is in contact.
            fixture.clock.advance(seconds: 1)
            try await fixture.ask(extend(node.id), seed: "extend")
            fixture.clock.advance(seconds: 1)
            try await node.report(try await node.session())
            let after = try await fixture.client.rollout(rollout, session: try await fixture.login()).nodes
            #expect(after.first { $0.id == node.id }?.state == "assigned")
        }
    }

    @Test("expiry under a live long poll: work that was assigned is taken back, and the poll is answered with that")
    func expiredWhilePolling() async throws {
        try await withNode { fixture, node in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            fixture.clock.advance(seconds: 3 * Self.day - 600)
            let own = try await node.session()
            try await node.report(own)
            let upgrade = try fixture.fleet.upgrade(to: path)
            let rollout = try await fixture.ask(.upgrade(upgrade), seed: "up").statement.statement.id
            let first = try #require(try await fixture.client.manifest(after: 0, wait: 0, session: own))
            #expect(try Self.assignments(first) == 1)
            let poll = Task { try await fixture.client.manifest(after: 1, wait: 30, session: own) }
            try await Task.sleep(for: .milliseconds(300))
            fixture.clock.advance(seconds: 700)
            let second = try #require(try await poll.value)
            #expect(try Self.assignments(second) == 0)
            let state = try await fixture.client.rollout(rollout, session: try await fixture.login()).nodes.first?.state
            #expect(state == "withdrawn", "it was handed the first manifest, and may act on it for 15 minutes")
        }
    }

    private static func assignments(_ manifest: [UInt8]) throws -> Int {
        try JSONFields(try JSONValue.parse(manifest, limit: 1_000_000)).fields("signed").array("assignments", limit: 9)
            .count
    }

    // MARK: - Extension

    @Test("extension: half an hour from its receipt, once for each statement, in the log with operator and reason")
    func extension_() async throws {
        try await withNode { fixture, node in
            await expectProblem(409) { try await fixture.ask(extend(node.id), seed: "too soon") }
            fixture.clock.advance(seconds: 4 * Self.day)
            try await fixture.noteExpiries()
            let (statement, reply) = try await fixture.ask(extend(node.id), seed: "first")
            #expect(reply.detail.contains("alpha may act until"))
            #expect(try await fixture.record(node.id).key?.state == "extended")
            await expectProblem(409) {
                _ = try await fixture.client.send(statement, session: try await fixture.login())
            }
            let event = try #require(try await fixture.events("node-extended").first)
            #expect(event.actor == "ada")
            #expect(event.detail["reason"] == "on call" && event.detail["name"] == "alpha")

            fixture.clock.advance(seconds: 1770)
            #expect(try await node.report(try await node.session())?.state == "extended")
            fixture.clock.advance(seconds: 31)
            try await fixture.noteExpiries()
            #expect(try await node.report(try await node.session())?.state == "expired")
            #expect(try await fixture.events("node-key-expired").count == 2)

            // A second one, and this time the node uses it: as a whole new key.
            try await fixture.ask(extend(node.id), seed: "second")
            try await node.offer(next, try await node.session())
            #expect(try await node.report(try await node.session(with: next))?.state == "current")
            fixture.clock.advance(seconds: 3600)
            #expect(try await fixture.record(node.id).key?.state == "current")
            #expect(try await fixture.record(node.id).key?.extendedUntil == nil)
        }
    }

    // MARK: - Exemption

    @Test("exemption: the key never expires, in the log with operator and reason, until it is ended in the same way")
    func exemption() async throws {
        try await withNode { fixture, node in
            func exempt(_ isExempt: Bool) -> StatementBody {
                .exemptNode(ExemptNodeBody(node: node.id, isExempt: isExempt, reason: "on a mountain"))
            }
            try await fixture.ask(exempt(true), seed: "exempt")
            await expectProblem(409) { try await fixture.ask(exempt(true), seed: "again") }
            fixture.clock.advance(seconds: 30 * Self.day)
            try await fixture.noteExpiries()
            let session = try await node.session()
            #expect(try await node.report(session)?.state == "exempt")
            let key = try #require(try await fixture.record(node.id).key)
            #expect(key.isExempt && key.expires == nil && key.state == "exempt")
            #expect(try await fixture.record(node.id).state == "online")
            await expectProblem(409) { try await fixture.ask(extend(node.id), seed: "extend") }
            // It may replace its key as any other.
            try await node.offer(next, session)
            _ = try await node.session(with: next)
            #expect(try await fixture.record(node.id).key?.isExempt == true)
            try await fixture.ask(exempt(false), seed: "end")
            #expect(try await fixture.record(node.id).key?.state == "current")
            #expect(try await fixture.events("node-exempted").first?.detail["reason"] == "on a mountain")
            #expect(try await fixture.events("node-exemption-ended").count == 1)
            #expect(try await fixture.events("node-key-expired").isEmpty)
        }
    }

    // MARK: - Removal

    @Test("removal: sessions and long polls end with the reason, the name is free, and the key can never join again")
    func removal() async throws {
        try await withNode { fixture, node in
            let secret = try await fixture.token(uses: 3, seed: "more", by: try await fixture.login())
            let session = try await node.session()
            try await node.report(session)
            let poll = Task { try await fixture.client.manifest(after: 0, wait: 30, session: session) }
            try await Task.sleep(for: .milliseconds(300))
            try await fixture.ask(.removeNode(RemoveNodeBody(node: node.id, reason: "sold")), seed: "remove")
            let waited = await poll.result
            if case .failure(let error) = waited {
                #expect((error as? ClientError)?.problemCode == "node-removed")
                #expect("\(error)".contains("sold"))
            } else {
                Issue.record("the poll of a removed node was answered: \(waited)")
            }
            await expectProblem(401) { try await node.report(session) }
            await expectProblem(401) { _ = try await node.session() }
            await expectProblem(404) { _ = try await fixture.record(node.id) }
            await expectProblem(404) { try await fixture.ask(extend(node.id), seed: "extend") }
            await expectRetired(fixture, node.key, secret: secret)
            await expectRetired(fixture, node.key, secret: nil)
            let reborn = try await KeyedNode(fixture, "alpha", secret: secret, key: TestKey("reborn"))
            #expect(try await fixture.record(reborn.id).name == "alpha")
            let event = try #require(try await fixture.events("node-removed").first)
            #expect(event.actor == "ada" && event.detail["reason"] == "sold" && event.detail["name"] == "alpha")
        }
    }

    @Test("removal: open rollouts pass the node by with the reason, and end without it")
    func removedFromRollout() async throws {
        try await withNode { fixture, node in
            let path = try await fixture.release("2.0", counter: 2, by: try await fixture.login())
            try await node.report(try await node.session())
            let upgrade = try fixture.fleet.upgrade(to: path)
            let rollout = try await fixture.ask(.upgrade(upgrade), seed: "up").statement.statement.id
            try await fixture.ask(.removeNode(RemoveNodeBody(node: node.id, reason: "sold")), seed: "remove")
            let record = try await fixture.client.rollout(rollout, session: try await fixture.login())
            #expect(record.nodes.first?.state == "removed")
            #expect(record.nodes.first?.reason == "removed: sold")
            #expect(record.state == "complete")
            let left = try #require(try await fixture.events("node-left-rollout").first)
            #expect(left.detail["reason"] == "removed: sold")
        }
    }

    @Test("removal holds over a restart of the service: the reason is still told")
    func removedOverRestart() async throws {
        let directory = "/tmp/muster-server-test-removed-\(UInt32.random(in: 0...UInt32.max))"
        defer { removeTree(directory) }
        var simulator: FleetSimulator?
        var id: NodeID?
        try await ServerFixture.run(in: directory, withFleet: true) { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            let node = try await KeyedNode(fixture, "alpha", secret: secret)
            try await fixture.ask(.removeNode(RemoveNodeBody(node: node.id, reason: "sold")), seed: "remove")
            (simulator, id) = (fixture.fleet, node.id)
        }
        try await ServerFixture.run(in: directory, withFleet: false, as: simulator) { fixture in
            let id = try #require(id)
            do {
                _ = try await fixture.client.nodeChallenge(id)
                Issue.record("a removed node was given a challenge")
            } catch {
                #expect((error as? ClientError)?.problemCode == "node-removed")
            }
        }
    }

    // MARK: - Who may

    @Test("an operator whom no rule allows it can neither extend, exempt nor remove a node")
    func notAllowed() async throws {
        try await withNode { fixture, node in
            fixture.clock.advance(seconds: 4 * Self.day)
            let bodies: [StatementBody] = [
                extend(node.id), .exemptNode(ExemptNodeBody(node: node.id, isExempt: true, reason: "why not")),
                .removeNode(RemoveNodeBody(node: node.id, reason: "why not")),
            ]
            for (index, body) in bodies.enumerated() {
                await expectProblem(403) { try await fixture.ask(body, by: "ben", seed: "ben \(index)") }
            }
            let record = try await fixture.record(node.id)
            #expect(record.key?.state == "expired")
        }
    }

    @Test(
        "a statement without a reason, or with one of several lines, is not one",
        arguments: ["", "  ", "a\nb", "\u{1B}[2J"]
    )
    func reasons(reason: String) throws {
        let node = try #require(NodeID("node-1"))
        let fleet = try FleetSimulator(time: UTCTime(seconds: 1_800_000_000))
        for body in [
            StatementBody.extendNode(ExtendNodeBody(node: node, reason: reason)),
            .exemptNode(ExemptNodeBody(node: node, isExempt: true, reason: reason)),
            .removeNode(RemoveNodeBody(node: node, reason: reason)),
        ] {
            let sent = try fleet.statement(body).json
            #expect(throws: JSONError.self) { _ = try SignedStatement(try JSONFields(sent)) }
        }
    }
}
