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

/// A register that was restored from a backup knows keys that nodes have replaced since: what it believes them, and what not.
///
/// In these tests the register never heard of the keys that follow the first one, as after a restore.
@Suite("Keys that a restored register has not heard of")
struct KeySuccessionTests {
    private static let day: Int64 = 86400
    private let second = TestKey("second")
    private let third = TestKey("third")
    private let thief = TestKey("thief")

    private func withNode(_ body: (ServerFixture, KeyedNode) async throws -> Void) async throws {
        try await ServerFixture.run {
            $0.nodeKeyLifetime = 3 * Self.day
        } _: { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            try await body(fixture, try await KeyedNode(fixture, "alpha", secret: secret))
        }
    }

    private func key(_ fixture: ServerFixture, _ node: KeyedNode) -> [UInt8]? {
        fixture.server.service.nodes[node.id]?.node.keyLife.key
    }

    @Test(
        "a key that follows the one in the register opens a session, and the earlier ones never again",
        arguments: 1...2
    )
    func followed(count: Int) async throws {
        try await withNode { fixture, node in
            let last = count == 1 ? second : third
            let way = [node.link(node.key, second), node.link(second, third)].prefix(count)
            await expectProblem(401) { _ = try await node.session(with: last) }
            try await node.report(try await node.session(with: last, by: Array(way)))
            #expect(key(fixture, node) == last.publicKey)
            #expect(try await fixture.server.service.store.read { try $0.nodes().first?.key } == last.publicKey)
            try await node.report(try await node.session(with: last))
            await expectProblem(401) { _ = try await node.session() }
            if count == 2 { await expectProblem(401) { _ = try await node.session(with: second) } }
            let events = try await fixture.events("node-key-rotated")
            #expect(events.count == count && events.allSatisfy { $0.detail["recovered"] == .bool(true) })
            // Whoever knew the first key finds the present one.
            let reader = try await fixture.login()
            let told = try await fixture.client.node(node.id, session: reader).key?.successions ?? []
            #expect(told.map(\.newKey).last == last.publicKey && told.count == count)
        }
    }

    @Test("a way that begins before the key in the register is followed from there")
    func longer() async throws {
        try await withNode { fixture, node in
            let way = [node.link(thief, node.key), node.link(node.key, second)]
            _ = try await node.session(with: second, by: way)
            #expect(key(fixture, node) == second.publicKey)
        }
    }

    @Test("a key that was offered before the backup and used after it is followed by others")
    func offered() async throws {
        try await withNode { fixture, node in
            fixture.clock.advance(seconds: 2 * Self.day)
            try await node.offer(second, try await node.session())
            _ = try await node.session(with: third, by: [node.link(node.key, second), node.link(second, third)])
            #expect(key(fixture, node) == third.publicKey)
        }
    }

    @Test(
        "attack: a link that either key did not sign, or signed for another node or fleet, leads nowhere",
        arguments: ["not the old key", "not the new key", "another node", "another fleet", "a gap", "the second link"]
    )
    func forged(how: String) async throws {
        try await withNode { fixture, node in
            let other = try #require(NodeID("node-other"))
            let fleet = try #require(FleetID(digest: Digest.sha256([1])))
            let first = node.link(node.key, second)
            let way =
                switch how {
                case "not the old key": [node.link(node.key, second, oldSigner: thief), node.link(second, thief)]
                case "not the new key": [node.link(node.key, thief, newSigner: second)]
                case "another node": [node.link(node.key, thief, node: other)]
                case "another fleet": [node.link(node.key, thief, fleet: fleet)]
                case "a gap": [first, node.link(third, thief)]
                default: [first, node.link(second, thief, oldSigner: thief)]
                }
            await expectProblem(422) { _ = try await node.session(with: thief, by: way) }
            #expect(key(fixture, node) == node.key.publicKey)
            #expect(try await fixture.events("node-key-rotated").isEmpty)
            try await node.report(try await node.session())
        }
    }

    @Test("attack: who shows the way to a key without holding it, or no way from the register's key, is not let in")
    func strangers() async throws {
        try await withNode { fixture, node in
            let way = [node.link(node.key, second)]
            await expectProblem(401) { _ = try await node.session(with: thief, by: way) }
            await expectProblem(401) { _ = try await node.session(with: thief, by: [node.link(second, thief)]) }
            #expect(key(fixture, node) == node.key.publicKey)
        }
    }

    @Test("attack: from a key that was replaced no branch leads anywhere, however it was replaced")
    func replacedBranch() async throws {
        try await withNode { fixture, node in
            fixture.clock.advance(seconds: 2 * Self.day)
            try await node.offer(second, try await node.session())
            _ = try await node.session(with: second)
            // The first key was stolen from an old disk.
            await expectProblem(401) { _ = try await node.session(with: thief, by: [node.link(node.key, thief)]) }
            let round = [node.link(second, node.key), node.link(node.key, thief)]
            await expectProblem(409) { _ = try await node.session(with: thief, by: round) }
            #expect(key(fixture, node) == second.publicKey)

            _ = try await node.session(with: third, by: [node.link(second, third)])
            for old in [node.key, second] {
                await expectProblem(401) { _ = try await node.session(with: thief, by: [node.link(old, thief)]) }
            }
            let back = [node.link(third, second)]
            await expectProblem(409) { _ = try await node.session(with: second, by: back) }
            let itself = [node.link(third, third)]
            #expect(key(fixture, node) == third.publicKey)
            try await node.report(try await node.session(with: third, by: itself))
        }
    }

    @Test("attack: the key of another node, or one that waits to be approved, is not taken for a later one")
    func takenKeys() async throws {
        try await withNode { fixture, node in
            let secret = try await fixture.token(uses: 1, seed: "beta", by: try await fixture.login())
            let beta = try await KeyedNode(fixture, "beta", secret: secret)
            _ = try await fixture.client.enroll(fixture.enrollRequest(thief, name: "gamma", secret: nil))
            for taken in [beta.key, thief] {
                await expectProblem(409) { _ = try await node.session(with: taken, by: [node.link(node.key, taken)]) }
            }
            #expect(key(fixture, node) == node.key.publicKey)
        }
    }

    @Test("a node that is not in the register, or was removed from it, is shown the way to by nobody")
    func unknownNode() async throws {
        try await withNode { fixture, node in
            let way = [node.link(node.key, second)]
            let remove = StatementBody.removeNode(RemoveNodeBody(node: node.id, reason: "sold"))
            try await fixture.ask(remove, seed: "remove")
            await expectProblem(401) { _ = try await node.session(with: second, by: way) }
        }
    }

    @Test("attack: a key that expired in the register is followed only once an operator has extended it")
    func expired() async throws {
        try await withNode { fixture, node in
            fixture.clock.advance(seconds: 4 * Self.day)
            try await fixture.noteExpiries()
            let way = [node.link(node.key, second)]
            await expectProblem(403) { _ = try await node.session(with: second, by: way) }
            #expect(key(fixture, node) == node.key.publicKey)
            let extend = StatementBody.extendNode(ExtendNodeBody(node: node.id, reason: "restored"))
            try await fixture.ask(extend, seed: "extend")
            #expect(try await node.report(try await node.session(with: second, by: way))?.state == "current")
        }
    }

    @Test("more links than a node keeps are not read")
    func bounds() async throws {
        try await withNode { fixture, node in
            let keys = [node.key] + (1...SignedKeySuccession.limit + 1).map { TestKey("key \($0)") }
            let links = zip(keys, keys.dropFirst()).map { node.link($0, $1) }
            let last = try #require(keys.last)
            await expectProblem(400) { _ = try await node.session(with: last, by: links) }
            #expect(key(fixture, node) == node.key.publicKey)
            let most = Array(links.dropLast())
            _ = try await node.session(with: keys[SignedKeySuccession.limit], by: most)
            #expect(key(fixture, node) == keys[SignedKeySuccession.limit].publicKey)
        }
    }

    @Test("of what a node has signed, only what leads to a key is shown, oldest first")
    func chain() async throws {
        try await withNode { _, node in
            let links = [node.link(thief, TestKey("other")), node.link(node.key, second), node.link(second, third)]
            #expect(SignedKeySuccession.chain(to: third.publicKey, in: links) == Array(links.dropFirst()))
            #expect(SignedKeySuccession.chain(to: node.key.publicKey, in: links).isEmpty)
            let circle = [node.link(second, third), node.link(third, second)]
            #expect(SignedKeySuccession.chain(to: third.publicKey, in: circle).count == 2)
        }
    }
}
