import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterStore
import MusterTestSupport
import SignatureVerification
import Testing

@testable import MusterServer

@Suite("Enrollment at the service")
struct EnrollmentTests {
    @Test("Of n + 1 nodes that join at once with a token of n uses exactly n get in")
    func tokenRace() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 8, by: session)
            let joined = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<9 {
                    group.addTask {
                        let request = fixture.enrollRequest(TestKey("racer-\(index)"), name: "racer", secret: secret)
                        guard let reply = try? await fixture.client.enroll(request), case .enrolled = reply else {
                            return false
                        }
                        return true
                    }
                }
                var count = 0
                for await success in group where success { count += 1 }
                return count
            }
            #expect(joined == 8)
            let names = try await fixture.client.nodes(session: session).map(\.name)
            #expect(Set(names).count == 8)
            #expect(Set(names).isSuperset(of: ["racer", "racer-2", "racer-8"]))
        }
    }

    @Test("A node that lost the answer asks again and spends no further use")
    func askingAgain() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 1, by: session)
            let request = fixture.enrollRequest(TestKey("forgetful"), name: "forgetful", secret: secret)
            let first = try await fixture.client.enroll(request)
            #expect(try await fixture.client.enroll(request) == first)
        }
    }

    @Test("An expired or unknown token, and a request that its key did not sign, are refused")
    func refusals() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 1, by: session)
            let key = TestKey("late")
            await expectProblem(401) {
                _ = try await fixture.client.enroll(
                    fixture.enrollRequest(key, name: "late", secret: Digest.sha256([1]))
                )
            }
            let good = fixture.enrollRequest(key, name: "late", secret: secret)
            let forged = EnrollRequest(
                fleet: good.fleet,
                name: "other",
                nodeKey: good.nodeKey,
                secret: secret,
                signature: good.signature
            )
            await expectProblem(401) { _ = try await fixture.client.enroll(forged) }
            fixture.clock.advance(seconds: 2 * 86400)
            await expectProblem(403) { _ = try await fixture.client.enroll(good) }
        }
    }

    @Test("attack: a name that ends with a dot, and would be certified without it, or looks like an id is refused")
    func lastDot() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 5, by: session)
            let others = ["node-66687aadf862bd77", "Node-66687AADF862BD77"]
            for name in ["db.", "db..", "a..b", ".", "db.example.org."] + others {
                let request = fixture.enrollRequest(TestKey(name), name: name, secret: secret)
                await expectProblem(400) { _ = try await fixture.client.enroll(request) }
            }
            let good = fixture.enrollRequest(TestKey("db"), name: "db.example.org", secret: secret)
            guard case .enrolled(_, "db.example.org", _) = try await fixture.client.enroll(good) else {
                Issue.record("a name with dots inside was not taken")
                return
            }
        }
    }

    @Test("A node without a token waits with a short code, and joins once an operator approves its key")
    func approval() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let key = TestKey("shy")
            let request = fixture.enrollRequest(key, name: "shy", secret: nil)
            guard case .pending(let code, _, _) = try await fixture.client.enroll(request) else {
                Issue.record("did not wait")
                return
            }
            #expect(code == EnrollmentCode.text(of: key.publicKey))
            let waiting = try await fixture.client.enrollments(session: session)
            #expect(waiting.map(\.code) == [code])
            #expect(waiting.first?.nodeKey == key.publicKey)
            let body = EnrollBody(tags: [], proof: .nodeKey(key.publicKey))
            let statement = try fixture.fleet.statement(.enroll(body), seed: "approve", issued: fixture.clock.now())
            _ = try await fixture.client.send(statement, session: session)
            guard case .enrolled(_, let name, let proof) = try await fixture.client.enroll(request) else {
                Issue.record("did not join")
                return
            }
            #expect(name == "shy")
            #expect(proof == statement)
            #expect(try await fixture.client.enrollments(session: session).isEmpty)
        }
    }

    @Test("A node that waits with a code of an earlier version gets that of its key when it asks again")
    func earlierCode() async throws {
        try await ServerFixture.run { fixture in
            let key = TestKey("shy")
            let request = fixture.enrollRequest(key, name: "shy", secret: nil)
            _ = try await fixture.client.enroll(request)
            let store = fixture.server.service.store
            let waiting = try #require(try await store.read { try $0.pendingEnrollments() }.first)
            try await store.write { transaction in
                try transaction.removePending(key: key.publicKey)
                try transaction.add(
                    StoredPending(
                        key: key.publicKey,
                        code: "K7QD-42MX",
                        name: waiting.name,
                        address: waiting.address,
                        asked: waiting.asked,
                        tailnet: waiting.tailnet
                    )
                )
            }
            guard case .pending(let code, _, _) = try await fixture.client.enroll(request) else {
                Issue.record("did not wait")
                return
            }
            #expect(code == EnrollmentCode.text(of: key.publicKey))
            #expect(try await store.read { try $0.pendingEnrollments() }.map(\.code) == [code])
        }
    }

    @Test("A tag-node statement changes the tags, and an older one cannot bring them back")
    func tagging() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let secret = try await fixture.token(uses: 1, by: session)
            let node = try await fixture.node("alpha", secret: secret)
            guard let red = MusterModel.Tag("red"), let blue = MusterModel.Tag("blue") else { return }
            func tag(_ tag: MusterModel.Tag, after seconds: Int64) async throws {
                let body = TagNodeBody(node: node.id, tags: [tag])
                let statement = try fixture.fleet.statement(
                    .tagNode(body),
                    seed: "tag \(tag) \(seconds)",
                    issued: fixture.clock.now().adding(seconds: seconds)
                )
                _ = try await fixture.client.send(statement, session: session)
            }
            try await tag(red, after: 10)
            await expectProblem(409) { try await tag(blue, after: 5) }
            #expect(try await fixture.client.node(node.id, session: session).tags == [red])
            #expect(try await node.manifest() != nil)
        }
    }
}
