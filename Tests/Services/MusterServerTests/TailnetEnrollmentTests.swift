import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterServer

extension EnrollmentTests {
    @Suite("Enrollment on a tailnet")
    struct OnTailnetTests {
        private static let alpha = TailnetFleet.alpha
        private static let beta = TailnetFleet.beta

        @Test(
            "One machine is one node: a second enrollment from the same tailnet identity takes the first's place and name"
        )
        func replaced() async throws {
            try await TailnetFleet.run { fleet async throws in
                let operatorSession = try await fleet.fixture.login()
                let secret = try await fleet.fixture.token(uses: 3, by: operatorSession)
                let first = try await fleet.node("alpha", at: Self.alpha, secret: secret)
                let session = try await first.session(from: Self.alpha)
                try await first.report(session, from: Self.alpha)
                let request = fleet.fixture.enrollRequest(TestKey("reinstalled"), name: "alpha", secret: secret)
                let reply = try await fleet.calling(from: TailnetFleet.alpha2) { try await $0.enroll(request) }
                guard case .enrolled(let id, let name, _) = reply else {
                    Issue.record("did not join")
                    return
                }
                #expect(name == "alpha")
                let nodes = try await fleet.fixture.client.nodes(session: operatorSession)
                #expect(nodes.map(\.id) == [id])
                await expectProblem(401) { try await first.report(session, from: Self.alpha) }
                await expectProblem(401) { _ = try await first.session(from: Self.alpha) }
                let events = try await fleet.events("node-replaced")
                #expect(events.count == 1)
                #expect(events.first?.detail["node"] == .string(first.id.text))
                #expect(events.first?.detail["by"] == .string(id.text))
                let second = TailnetNode(fleet: fleet, id: id, key: TestKey("reinstalled"))
                try await second.report(try await second.session(from: Self.alpha), from: Self.alpha)
            }
        }

        @Test("Without a valid token nobody takes another's place")
        func notReplaced() async throws {
            try await TailnetFleet.run { fleet async throws in
                let secret = try await fleet.fixture.token(uses: 1, by: try await fleet.fixture.login())
                let first = try await fleet.node("alpha", at: Self.alpha, secret: secret)
                for wrong in [secret, [UInt8](repeating: 1, count: 32)] {
                    let request = fleet.fixture.enrollRequest(TestKey("thief"), name: "alpha", secret: wrong)
                    await #expect(throws: ClientError.self) {
                        try await fleet.calling(from: Self.alpha) { try await $0.enroll(request) }
                    }
                }
                let waiting = fleet.fixture.enrollRequest(TestKey("thief"), name: "alpha", secret: nil)
                _ = try await fleet.calling(from: Self.alpha) { try await $0.enroll(waiting) }
                try await first.report(try await first.session(from: Self.alpha), from: Self.alpha)
            }
        }

        @Test("Nodes that share an address and have no tailnet identity do not replace each other")
        func loopback() async throws {
            try await ServerFixture.run { fixture in
                let session = try await fixture.login()
                let secret = try await fixture.token(uses: 2, by: session)
                _ = try await fixture.node("one", secret: secret)
                _ = try await fixture.node("two", secret: secret)
                #expect(try await fixture.client.nodes(session: session).map(\.name) == ["one", "two"])
                #expect(try await fixture.client.nodes(session: session).allSatisfy { $0.tailnet == nil })
            }
        }

        @Test(
            "A node that lost the answer may ask again after its tailnet key changed, and nobody else with its request"
        )
        func askingAgain() async throws {
            try await TailnetFleet.run { fleet async throws in
                let secret = try await fleet.fixture.token(uses: 1, by: try await fleet.fixture.login())
                let request = fleet.fixture.enrollRequest(TestKey("alpha"), name: "alpha", secret: secret)
                let first = try await fleet.calling(from: Self.alpha) { try await $0.enroll(request) }
                fleet.tailscaled.rotate("alpha")
                #expect(try await fleet.calling(from: Self.alpha) { try await $0.enroll(request) } == first)
                await expectProblem(403) {
                    _ = try await fleet.calling(from: Self.beta) { try await $0.enroll(request) }
                }
            }
        }

        @Test(
            "A node that asks gets a link; its page says what to run, and names the node only to a recognised operator"
        )
        func link() async throws {
            try await TailnetFleet.run { fleet async throws in
                fleet.tailscaled.add(.init("gamma", ["127.0.64.7"], login: "eve@example.com"))
                let request = fleet.fixture.enrollRequest(TestKey("shy"), name: "shy.example", secret: nil)
                let reply = try await fleet.calling(from: Self.beta) { try await $0.enroll(request) }
                guard case .pending(let code, _, let link?) = reply else {
                    Issue.record("no link: \(reply)")
                    return
                }
                #expect(link == fleet.fixture.url + "/enroll/" + code)
                func page(from address: String, _ code: String) async throws -> (HTTPReply, String) {
                    let reply = try await fleet.reply("/enroll/" + code, from: address)
                    return (reply, String(decoding: reply.body, as: UTF8.self))
                }
                let (ada, forAda) = try await page(from: Self.alpha, code)
                #expect(ada.status == 200)
                #expect(ada.header("Content-Type")?.hasPrefix("text/html") == true)
                #expect(ada.header("Content-Security-Policy")?.contains("default-src 'none'") == true)
                #expect(forAda.contains("muster node approve \(code)"))
                #expect(forAda.contains("shy.example") && forAda.contains("beta.example.ts.net"))
                #expect(forAda.contains("tag:web"))
                let (_, forEve) = try await page(from: "127.0.64.7", code)
                #expect(forEve.contains("muster node approve \(code)"))
                #expect(!forEve.contains("shy.example") && !forEve.contains("tag:web"))
                let (_, forWrong) = try await page(from: "127.0.64.7", "AAAA-AAAA-AAAA")
                #expect(forWrong == forEve.replacing(code, with: "AAAA-AAAA-AAAA"), "whether a code is one is not told")
                let (injected, text) = try await page(from: Self.alpha, "%3Cscript%3E")
                #expect(injected.status == 404 && !text.contains("<script>"))
            }
        }

        @Test("What a waiting node calls itself is text on the page, whatever is in it")
        func escaping() async throws {
            try await TailnetFleet.run { fleet async throws in
                fleet.tailscaled.update("beta") { $0.name = "<script>alert(1)</script>." }
                let request = fleet.fixture.enrollRequest(TestKey("evil"), name: "evil", secret: nil)
                let reply = try await fleet.calling(from: Self.beta) { try await $0.enroll(request) }
                guard case .pending(let code, _, _) = reply else { return }
                let page = try await fleet.reply("/enroll/" + code, from: Self.alpha)
                let text = String(decoding: page.body, as: UTF8.self)
                #expect(text.contains("&lt;script&gt;") && !text.contains("<script>"))
            }
        }

        @Test("An operator approves by one statement; the node is bound to whom it was when it asked")
        func approved() async throws {
            try await TailnetFleet.run { fleet async throws in
                let operatorSession = try await fleet.fixture.login()
                let key = TestKey("shy")
                let request = fleet.fixture.enrollRequest(key, name: "shy", secret: nil)
                _ = try await fleet.calling(from: Self.beta) { try await $0.enroll(request) }
                await expectProblem(403) {
                    _ = try await fleet.calling(from: Self.alpha) { try await $0.enroll(request) }
                }
                let waiting = try #require(try await fleet.fixture.client.enrollments(session: operatorSession).first)
                #expect(waiting.tailnet?.id == "nbetaCNTRL")
                #expect(waiting.tailnet?.tags == ["tag:web"])
                let body = EnrollBody(tags: [], proof: .nodeKey(key.publicKey))
                let statement = try fleet.fixture.fleet.statement(
                    .enroll(body),
                    seed: "approve",
                    issued: fleet.fixture.clock.now()
                )
                _ = try await fleet.fixture.client.send(statement, session: operatorSession)
                let reply = try await fleet.calling(from: Self.beta) { try await $0.enroll(request) }
                guard case .enrolled(let id, _, _) = reply else {
                    Issue.record("did not join")
                    return
                }
                let record = try await fleet.fixture.client.node(id, session: operatorSession)
                #expect(record.tailnet?.id == "nbetaCNTRL")
                #expect(record.tags.isEmpty, "the tailnet's tags count for nothing")
                let node = TailnetNode(fleet: fleet, id: id, key: key)
                try await node.report(try await node.session(from: Self.beta), from: Self.beta)
                await expectProblem(403) { _ = try await node.session(from: Self.alpha) }
            }
        }
    }

    @Suite("Enrollment by the real programs", .serialized)
    struct RealTests {
        @Test("Ten nodes join from nothing by one command each, at once")
        func ten() async throws {
            try await FleetFixture.run { fleet async throws in
                let token = try await fleet.muster(["enroll", "token", "--tag", "web", "--uses", "10"])
                let file = try fleet.folder.write("ten-token", token.utf8)
                let program = try BuiltProgram("muster-agent").path
                let begin = ContinuousClock.now
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 1...10 {
                        group.addTask {
                            let log = fleet.folder.file("enroll-\(number).log")
                            let status = try await RunningProgram.run(
                                program,
                                [
                                    "enroll", "--service", fleet.address, "--token-file", file, "--name",
                                    "node-\(number)",
                                    "--state-dir", fleet.folder.file("ten/\(number)"),
                                ],
                                log: log
                            )
                            let said = String(
                                decoding: try fleet.folder.read("enroll-\(number).log") ?? [],
                                as: UTF8.self
                            )
                            #expect(status == 0, "\(said)")
                            #expect(said.contains("tags: web"))
                        }
                    }
                    try await group.waitForAll()
                }
                let duration = ContinuousClock.now - begin
                print("TailnetEnrollmentTests: ten nodes joined within \(duration)")
                // Seconds on a machine that does nothing else; none may wait for another's long poll.
                #expect(duration < .seconds(60))
                let nodes = try await fleet.json(["node", "list"])
                #expect("\(nodes)".contains("node-10"))
            }
        }

        @Test("A node that asks to join shows a code and a link, and joins once an operator approves by one command")
        func asking() async throws {
            try await FleetFixture.run { fleet async throws in
                let fleetID = await fleet.fleet
                let log = fleet.folder.file("asking.log")
                let agent = try RunningProgram(
                    try BuiltProgram("muster-agent").path,
                    [
                        "enroll", "--service", fleet.address, "--fleet", fleetID, "--name", "shy", "--state-dir",
                        fleet.folder.file("asking"),
                    ],
                    log: log
                )
                var code: Substring?
                for _ in 0..<1200 where code == nil {
                    try await Task.sleep(for: .milliseconds(50))
                    code =
                        agent.output.split(separator: "\n").first { $0.contains("muster node approve ") }?
                        .split(separator: " ").last
                }
                let found = try #require(code, "\(agent.output)")
                #expect(agent.output.contains("\(fleet.address)/enroll/\(found)"))
                try await fleet.muster(["node", "approve", String(found), "--tag", "web"])
                #expect(await agent.exit(within: .seconds(60)) == 0, "\(agent.output)")
                #expect(agent.output.contains("tags: web"))
            }
        }

        @Test("Started without a fleet musterd says how to make one; with one, the line to run on each node")
        func greeting() async throws {
            try await FleetFixture.run { fleet async throws in
                #expect(fleet.service.output.contains("muster fleet init --service \(fleet.address)"))
            }
        }
    }
}
