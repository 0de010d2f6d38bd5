import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import Tailnet
import Testing

@testable import MusterServer

@Suite("Identity by the tailnet, at the service")
struct TailnetIdentityTests {
    private static let alpha = TailnetFleet.alpha
    private static let beta = TailnetFleet.beta

    @Test("Whoever the tailnet does not know gets 403 for every path, /healthz and metadata too")
    func stranger() async throws {
        try await TailnetFleet.run { fleet async throws in
            for path in [
                "/healthz", "/v1/service", "/tuf/metadata/1.root.json", "/openapi.yaml", "/enroll/K7QD-42MX-9FGH", "/x",
            ] {
                #expect(try await fleet.status(path, from: TailnetFleet.stranger) == 403, "\(path)")
                #expect(try await fleet.status(path, from: Self.alpha) != 403, "\(path)")
            }
            let problem = try await fleet.reply("/healthz", from: TailnetFleet.stranger)
            #expect(try Problem.parse(problem.body).code == "unknown-caller")
            for path in ["/v1/enroll", "/v1/node/challenge", "/v1/node/report", "/v1/fleet", "/v1/statements"] {
                #expect(try await fleet.status(path, from: TailnetFleet.stranger, method: .post) == 403, "\(path)")
            }
            #expect(try await fleet.status("/healthz", from: "127.0.0.1") == 200)
        }
    }

    @Test("While tailscaled cannot be asked nobody but this machine gets in, and afterwards everybody again")
    func unreachableTailscaled() async throws {
        try await TailnetFleet.run { fleet async throws in
            let node = try await fleet.joined("alpha", at: Self.alpha)
            let session = try await node.session(from: Self.alpha)
            try await node.report(session, from: Self.alpha)
            for answer in [LoopbackServer.Reply(500), .init(403), .init(200, .bytes(Array("{}".utf8)))] {
                fleet.tailscaled.setAnswer(answer)
                let reply = try await fleet.reply("/healthz", from: Self.alpha)
                #expect(reply.status == 503)
                #expect(try Problem.parse(reply.body).code == "tailnet-unavailable")
                await expectProblem(503) { try await node.report(session, from: Self.alpha) }
                #expect(try await fleet.status("/healthz", from: TailnetFleet.stranger) == 503)
                #expect(try await fleet.status("/healthz", from: "127.0.0.1") == 200)
            }
            fleet.tailscaled.setAnswer(nil)
            try await node.report(session, from: Self.alpha)
        }
    }

    @Test("Loopback is never asked about")
    func loopback() async throws {
        try await TailnetFleet.run { fleet async throws in
            let before = fleet.tailscaled.requests.count { $0.path.hasSuffix("whois") }
            for _ in 0..<3 { #expect(try await fleet.status("/healthz", from: "127.0.0.1") == 200) }
            #expect(fleet.tailscaled.requests.count { $0.path.hasSuffix("whois") } == before)
        }
    }

    @Test("A stolen session and a stolen node key are worth nothing from another node's address")
    func spoofedNode() async throws {
        try await TailnetFleet.run { fleet async throws in
            let secret = try await fleet.fixture.token(uses: 2, by: try await fleet.fixture.login())
            let node = try await fleet.node("alpha", at: Self.alpha, secret: secret)
            _ = try await fleet.node("beta", at: Self.beta, secret: secret)
            let session = try await node.session(from: Self.alpha)
            await expectProblem(403) { try await node.report(session, from: Self.beta) }
            await expectProblem(403) { _ = try await node.manifest(session, from: Self.beta, wait: 0) }
            await expectProblem(403) { _ = try await node.session(from: Self.beta) }
            await expectProblem(403) { try await node.report(session, from: "127.0.0.1") }
            try await node.report(session, from: Self.alpha)
            #expect(try await fleet.events("node-tailnet-key-rotated").isEmpty)
        }
    }

    @Test("A node is the same node at every address of its tailnet identity")
    func otherAddressOfItsOwn() async throws {
        try await TailnetFleet.run { fleet async throws in
            let node = try await fleet.joined("alpha", at: Self.alpha)
            let session = try await node.session(from: Self.alpha)
            try await node.report(session, from: TailnetFleet.alpha2)
            try await node.report(try await node.session(from: TailnetFleet.alpha2), from: Self.alpha)
            #expect(try await fleet.events("node-address-changed").isEmpty)
        }
    }

    @Test("A node whose tailnet gives it another address stays who it is, and the move is recorded")
    func renumbered() async throws {
        try await TailnetFleet.run { fleet async throws in
            let node = try await fleet.joined("alpha", at: Self.alpha)
            fleet.tailscaled.update("alpha") { $0.addresses = ["127.0.64.77"] }
            let session = try await node.session(from: "127.0.64.77")
            try await node.report(session, from: "127.0.64.77")
            let event = try #require(try await fleet.events("node-address-changed").first)
            #expect(event.detail["new"]?["address"] == "127.0.64.77")
            #expect(try await fleet.status("/healthz", from: Self.alpha) == 403)
            let record = try await fleet.fixture.client.node(node.id, session: try await fleet.fixture.login())
            #expect(record.address == "127.0.64.77")
        }
    }

    @Test("An address that is given to another node does not make it the node that had it")
    func recycledAddress() async throws {
        try await TailnetFleet.run { fleet async throws in
            let node = try await fleet.joined("alpha", at: Self.alpha)
            let session = try await node.session(from: Self.alpha)
            fleet.tailscaled.remove("alpha")
            fleet.tailscaled.add(.init("eve", [Self.alpha]))
            await expectProblem(403) { try await node.report(session, from: Self.alpha) }
            await expectProblem(403) { _ = try await node.session(from: Self.alpha) }
        }
    }

    @Test("A changed tailnet key ends the session with 401; a new one is a rotation, recorded once with both keys")
    func rotation() async throws {
        try await TailnetFleet.run { fleet async throws in
            let node = try await fleet.joined("alpha", at: Self.alpha)
            let old = try await node.session(from: Self.alpha)
            try await node.report(old, from: Self.alpha)
            let key = fleet.tailscaled.rotate("alpha")
            await expectProblem(401) { try await node.report(old, from: Self.alpha) }
            #expect(
                try await fleet.events("node-tailnet-key-rotated").isEmpty,
                "without the node key nothing is followed"
            )
            await expectProblem(401) { _ = try await node.session(from: Self.alpha, by: TestKey("thief")) }
            #expect(try await fleet.events("node-tailnet-key-rotated").isEmpty)
            fleet.fixture.clock.advance(seconds: 10)
            let new = try await node.session(from: Self.alpha)
            try await node.report(new, from: Self.alpha)
            _ = try await node.session(from: Self.alpha)
            await expectProblem(401) { try await node.report(old, from: Self.alpha) }
            let events = try await fleet.events("node-tailnet-key-rotated")
            #expect(events.count == 1)
            #expect(events.first?.detail["new"]?["key"] == .string(key))
            #expect(events.first?.detail["old"]?["key"] != .string(key))
            let record = try await fleet.fixture.client.node(node.id, session: try await fleet.fixture.login())
            #expect(record.tailnet?.key == key)
            let since = try #require(record.tailnet?.keySince)
            #expect(since.adding(seconds: -8) > record.enrolled)
        }
    }

    @Test("A long poll during which the tailnet key changes ends with 401 by itself, instead of with a manifest")
    func rotationUnderPoll() async throws {
        try await TailnetFleet.run { fleet async throws in
            let node = try await fleet.joined("alpha", at: Self.alpha)
            let session = try await node.session(from: Self.alpha)
            let begin = ContinuousClock.now
            let poll = Task { try await node.manifest(session, from: Self.alpha, wait: 55) }
            while fleet.fixture.server.service.nodePolls.count == 0 { try await Task.sleep(for: .milliseconds(10)) }
            fleet.tailscaled.rotate("alpha")
            await expectProblem(401) { _ = try await poll.value }
            #expect(ContinuousClock.now - begin < .seconds(40))
        }
    }

    @Test("A long poll of a node that leaves the tailnet meanwhile gets 403, not the manifest that is ready for it")
    func removalUnderPoll() async throws {
        try await TailnetFleet.run { fleet async throws in
            let operatorSession = try await fleet.fixture.login()
            let node = try await fleet.joined("alpha", at: Self.alpha)
            let session = try await node.session(from: Self.alpha)
            let poll = Task { try await node.manifest(session, from: Self.alpha, wait: 55) }
            while fleet.fixture.server.service.nodePolls.count == 0 { try await Task.sleep(for: .milliseconds(10)) }
            fleet.tailscaled.remove("alpha")
            let red: MusterModel.Tag? = .init("red")
            let tag = try #require(red)
            let statement = try fleet.fixture.fleet.statement(
                .tagNode(TagNodeBody(node: node.id, tags: [tag])),
                seed: "red",
                issued: fleet.fixture.clock.now().adding(seconds: 5)
            )
            _ = try await fleet.fixture.client.send(statement, session: operatorSession)
            await expectProblem(403) { _ = try await poll.value }
        }
    }

    @Test("A node whose tailnet key has expired is refused until it has another")
    func expiredTailnetKey() async throws {
        try await TailnetFleet.run { fleet async throws in
            let node = try await fleet.joined("alpha", at: Self.alpha)
            let session = try await node.session(from: Self.alpha)
            fleet.tailscaled.update("alpha") { node in
                node.expired = true
                node.keyExpiry = "2026-01-01T00:00:00Z"
            }
            await expectProblem(403) { try await node.report(session, from: Self.alpha) }
            fleet.tailscaled.update("alpha") { $0.expired = false }
            fleet.tailscaled.rotate("alpha")
            try await node.report(try await node.session(from: Self.alpha), from: Self.alpha)
        }
    }

    @Test("The register shows name, addresses, tags, user, key, expiry and last handshake, by now or as last known")
    func record() async throws {
        try await TailnetFleet.run { fleet async throws in
            fleet.tailscaled.update("alpha") { node in
                node.keyExpiry = "2027-01-01T00:00:00Z"
                node.lastHandshake = "2026-08-01T00:00:00Z"
            }
            let operatorSession = try await fleet.fixture.login()
            let secret = try await fleet.fixture.token(uses: 2, by: operatorSession)
            let alpha = try await fleet.node("alpha", at: Self.alpha, secret: secret)
            let beta = try await fleet.node("beta", at: Self.beta, secret: secret)
            await fleet.fixture.server.service.gate.refresh()
            let first = try #require(try await fleet.fixture.client.node(alpha.id, session: operatorSession).tailnet)
            #expect(first.id == "nalphaCNTRL")
            #expect(first.name == "alpha.example.ts.net")
            #expect(first.addresses == [Self.alpha, TailnetFleet.alpha2])
            #expect(first.login == "ada@example.com")
            #expect(first.keyExpires == UTCTime("2027-01-01T00:00:00Z"))
            #expect(first.lastHandshake == UTCTime("2026-08-01T00:00:00Z"))
            #expect(first.keySince != nil)
            let second = try #require(try await fleet.fixture.client.node(beta.id, session: operatorSession).tailnet)
            #expect(second.tags == ["tag:web"])
            #expect(second.login == nil)
            #expect(try await fleet.fixture.client.node(beta.id, session: operatorSession).tags.map(\.text) == ["web"])
            fleet.tailscaled.remove("alpha")
            await fleet.fixture.server.service.gate.refresh()
            let gone = try #require(try await fleet.fixture.client.node(alpha.id, session: operatorSession).tailnet)
            #expect(gone.name == "alpha.example.ts.net")
            #expect(gone.key == first.key)
            #expect(gone.addresses.isEmpty && gone.isOnline == nil)
        }
    }

    @Test(
        "A node that joined before there was a tailnet is bound to its identity once it proves its key from its address"
    )
    func identified() async throws {
        let folder = try TemporaryFolder()
        let simulator = try TailnetFleet.simulator([:])
        let key = TestKey("node-early")
        var found: NodeID?
        try await ServerFixture.run(in: folder.file("service"), withFleet: true, as: simulator) { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            let client = try MusterClient(service: fixture.url, options: .init(localAddress: Self.alpha))
            let reply = try await client.enroll(fixture.enrollRequest(key, name: "early", secret: secret))
            await client.close()
            if case .enrolled(let id, _, _) = reply { found = id }
        }
        let id = try #require(found)
        try await LocalAPIStandIn.run { tailscaled in
            tailscaled.setOwn { $0.addresses = ["127.0.0.1"] }
            tailscaled.add(.init("alpha", [Self.alpha]))
            tailscaled.add(.init("beta", [Self.beta]))
            try await ServerFixture.run(
                in: folder.file("service"),
                withFleet: false,
                as: simulator,
                options: { options in
                    options.tailnet = .tailscale(socket: tailscaled.socket)
                    TailnetFleet.asTailnet(&options)
                }
            ) { fixture in
                let fleet = TailnetFleet(fixture: fixture, tailscaled: tailscaled)
                let node = TailnetNode(fleet: fleet, id: id, key: key)
                await expectProblem(403) { _ = try await node.session(from: Self.beta) }
                try await node.report(try await node.session(from: Self.alpha), from: Self.alpha)
                #expect(try await fleet.events("node-identified").count == 1)
                tailscaled.update("alpha") { $0.addresses = ["127.0.64.99"] }
                try await node.report(try await node.session(from: "127.0.64.99"), from: "127.0.64.99")
            }
        }
    }
}
