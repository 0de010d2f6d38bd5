import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterServer

@Suite("Asking for runs and approving them")
struct RunAskingTests {
    /// Who does something that must be refused, with the words that the refusal has.
    private func refused(
        _ status: Int,
        _ words: String,
        _ body: () async throws -> Void,
        at location: SourceLocation = #_sourceLocation
    ) async {
        await #expect(sourceLocation: location) {
            try await body()
        } throws: { error in
            guard error.problemStatus == status, "\(error)".contains(words) else {
                Issue.record("expected \(status) with '\(words)': \(error)", sourceLocation: location)
                return true
            }
            return true
        }
    }

    @Test("The last approval lets it run; the signatures of all are in the manifest")
    func approved() async throws {
        try await RunFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let statement = try await fleet.ask(try fleet.restart([node]), by: ["ben"])
            let id = statement.statement.id
            let waiting = try await fleet.record(id)
            #expect(waiting.state == .waiting && waiting.missing.contains("ask ada, cat"))
            #expect(try await fleet.manifest(node) == nil)
            await refused(409, "has not begun") { try await fleet.say(.started, id, node) }
            let cat = try await fleet.fixture.login("cat")
            let signature = try fleet.signature(statement, by: "cat")
            let record = try await fleet.client.approveRun(id, signature: signature, session: cat)
            #expect(record.state == .running && record.missing.isEmpty)
            #expect(record.signers.map(\.text) == ["ben", "cat"])
            #expect(try await fleet.manifest(node)?.runs.first?.statement.signatures.count == 2)
            #expect(try await fleet.events(id) == ["run-asked", "run-approved", "run-started"])
        }
    }

    @Test("Approvals by the requester, by one who is not asked, of other bytes, twice, or too late count for nothing")
    func refusedApprovals() async throws {
        let two = RunFleet.echoes("ben", "tag:db", approvals: 2, from: ["ada", "cat"])
        let cats = RunFleet.echoes("cat", approvals: 1, from: ["ada"])
        try await RunFleet.run(rules: [two, cats]) { fleet in
            let node = try await fleet.nodes(["alpha"], tags: ["db"])[0]
            let statement = try await fleet.ask(try fleet.fleet.run("echo", on: [node.id]), by: ["ben"])
            let id = statement.statement.id
            func approve(_ name: String, _ signature: [UInt8]) async throws {
                _ = try await fleet.client.approveRun(id, signature: signature, session: fleet.session)
            }
            await refused(403, "cannot approve it") { try await approve("ben", fleet.signature(statement, by: "ben")) }
            let other = try fleet.fleet.statement(.run(try fleet.fleet.run("echo", ["words": ["x"]], on: [node.id])))
            await refused(422, "does not fit") { try await approve("cat", fleet.signature(other, by: "cat")) }
            await refused(422, "not in the policy") { try await approve("eve", fleet.signature(statement, by: "eve")) }
            try await approve("cat", try fleet.signature(statement, by: "cat"))
            await refused(409, "already") { try await approve("cat", fleet.signature(statement, by: "cat")) }
            try await approve("ada", try fleet.signature(statement, by: "ada"))
            await refused(409, "waits for no approval") {
                try await approve("ada", fleet.signature(statement, by: "ada"))
            }
            let asked = try await fleet.ask(try fleet.fleet.run("echo", on: [node.id]), by: ["cat"])
            let ben = try fleet.signature(asked, by: "ben")
            await refused(403, "ask ada") {
                _ = try await fleet.client.approveRun(asked.statement.id, signature: ben, session: fleet.session)
            }
        }
    }

    @Test("A run is denied by its requester and by whom it asks, and by nobody else; nothing ever runs of it")
    func denied() async throws {
        try await RunFleet.run(rules: [RunFleet.echoes("cat", approvals: 1, from: ["ada"])]) { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let id = try await fleet.ask(try fleet.fleet.run("echo", on: [node.id]), by: ["cat"]).statement.id
            let ben = try await fleet.fixture.login("ben")
            await refused(403, "is not asked to approve") {
                _ = try await fleet.client.denyRun(id, reason: "", session: ben)
            }
            let record = try await fleet.client.denyRun(id, reason: "not today", session: fleet.session)
            #expect(record.state == .denied && record.reason == "denied by ada: not today")
            #expect(record.counts == [.notStarted: 1])
            #expect(try await fleet.manifest(node) == nil)
            #expect(try await fleet.events(id) == ["run-asked", "run-denied", "run-node-ended", "run-ended"])
        }
    }

    @Test("What any node would refuse is refused at once, with the nodes named")
    func refusedRuns() async throws {
        try await RunFleet.run { fleet in
            let web = try await fleet.nodes(["web1", "web2"])
            let database = try await fleet.nodes(["db1"], tags: ["db"])
            await refused(403, "db1: ") { try await fleet.ask(try fleet.restart(web + database), by: ["ben"]) }
            await refused(403, "'echo' is not among its 'commands'") {
                try await fleet.ask(try fleet.fleet.run("echo", on: [web[0].id]), by: ["ben"])
            }
            var body = try fleet.restart(web)
            body.nodes += ["zz-gone"].compactMap(NodeID.init)
            let stranger = body
            await refused(404, "zz-gone") { try await fleet.ask(stranger) }
            body = try fleet.restart(web)
            body.definition = try fleet.fleet.definition("echo")
            let changed = body
            await refused(422, "ask anew") { try await fleet.ask(changed) }
            body = try fleet.restart(web)
            body.arguments = [:]
            let incomplete = body
            await refused(422, "parameter 'unit' is missing") { try await fleet.ask(incomplete) }
            await refused(422, "lives longer than 7 days") {
                try await fleet.ask(try fleet.restart(web), lifetime: 8 * 86400)
            }
            let later = fleet.fixture.clock.now().adding(seconds: 7200)
            await refused(422, "expires before it may begin") {
                try await fleet.ask(try fleet.restart(web, notBefore: later), lifetime: 3600)
            }
        }
    }

    @Test("The same statement again is the same run, another one with its id is refused")
    func again() async throws {
        try await RunFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let statement = try await fleet.ask(try fleet.restart([node]), seed: "once")
            let reply = try await fleet.client.send(statement, session: fleet.session)
            #expect(reply.id == statement.statement.id && reply.state == "accepted")
            #expect(try await fleet.client.runs(.init(), session: fleet.session).count == 1)
            await refused(409, "used before") {
                try await fleet.ask(try fleet.fleet.run("echo", on: [node.id]), seed: "once")
            }
            let enroll = EnrollBody(tags: [], proof: .secret(sha256: [UInt8](repeating: 7, count: 32), uses: 1))
            await refused(409, "used before") { try await fleet.fixture.ask(.enroll(enroll), seed: "once") }
        }
    }
}
