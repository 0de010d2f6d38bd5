import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterStore
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

@testable import MusterServer

@Suite("Certificates of runs over SSH")
struct RunCertificateTests {
    private static let seconds: Int64 = 120

    /// Runs `body` with a fleet that has an SSH side and approved commands, in a folder that may have been used before.
    private static func run(
        in directory: String? = nil,
        as former: FleetSimulator? = nil,
        _ body: (RunFleet) async throws -> Void
    ) async throws {
        let own = "/tmp/muster-run-test-" + Hex.encode(RandomBytes.make(8))
        defer { if directory == nil { removeTree(own) } }
        let simulator = try former ?? simulator()
        try await RunFleet.run(in: directory ?? own, as: simulator, isNew: former == nil, body)
    }

    private static func simulator() throws -> FleetSimulator {
        var simulator = try FleetSimulator(time: WallClock.now())
        try simulator.allowRuns()
        try simulator.allow(RunFleet.echoes("ben"))
        try simulator.trustSSH()
        try simulator.publish()
        return simulator
    }

    /// `echo good day` over SSH.
    private func echo(_ fleet: RunFleet, on nodes: [TestNode], notBefore: UTCTime? = nil) throws -> RunBody {
        try fleet.fleet.run(
            "echo",
            ["words": ["good day"]],
            on: nodes.map(\.id),
            notBefore: notBefore,
            ssh: RunBody.OverSSH(publicKey: try TestKey("run").ssh, seconds: Self.seconds)
        )
    }

    /// `restart-web` over SSH, which ben may ask for and a lead has to approve.
    private func restart(_ fleet: RunFleet, on nodes: [TestNode]) throws -> RunBody {
        var body = try fleet.restart(nodes)
        body.ssh = RunBody.OverSSH(publicKey: try TestKey("run").ssh, seconds: Self.seconds)
        return body
    }

    private func refused(
        _ status: Int,
        _ words: String,
        at location: SourceLocation = #_sourceLocation,
        _ body: () async throws -> Void
    ) async {
        await #expect(sourceLocation: location) {
            try await body()
        } throws: { error in
            let problem = error as? Problem
            #expect((problem?.status ?? error.problemStatus) == status, "\(error)", sourceLocation: location)
            #expect("\(error)".contains(words), "\(error)", sourceLocation: location)
            return true
        }
    }

    /// The certificates of users that the register has, by another connection than the service's own.
    private func onDisk(_ fleet: RunFleet) async throws -> [StoredCertificate] {
        let path = fleet.fixture.directory + "/muster.db"
        let store = try await Store.open(path: path, now: fleet.fixture.clock.now())
        let found = try await store.read {
            try $0.certificates(after: 0, requester: nil, node: nil, goodAfter: nil, limit: 100)
        }
        try store.close()
        return found.filter { $0.kind == .user }
    }

    @Test(
        "The requester gets one for the run's own key and command, from where it asks only, for as long as was signed"
    )
    func issued() async throws {
        try await Self.run { fleet in
            let nodes = try await fleet.nodes(["alpha", "beta"])
            let statement = try await fleet.ask(try echo(fleet, on: nodes))
            let id = statement.statement.id
            let before = fleet.fixture.clock.now()
            let reply = try await fleet.client.runCertificate(id, session: fleet.session)
            let certificate = try SSHCertificate(line: try #require(reply.certificate))
            let content = certificate.content
            #expect(reply.state == .issued && reply.id == id && certificate.isGenuine)
            #expect(content.kind == .user && content.principals == ["root"])
            #expect(content.authority == (try FleetSimulator.userAuthority.ssh))
            #expect(content.publicKey == (try TestKey("run").ssh))
            #expect(content.forceCommand?.contains("good day") == true, "\(content.forceCommand ?? "")")
            #expect(content.sourceAddresses?.map(\.description) == ["127.0.0.1/32", "::1/128"])
            #expect(Int64(content.validBefore) - before.seconds <= Self.seconds + 1)
            let carried = try #require(content.extension(SSHCertificateBody.statementExtension)?.value)
            let inside = try SignedStatement(JSONFields(JSONValue.parse(carried, limit: 1 << 20)))
            #expect(inside.signedBytes == statement.signedBytes && inside.signatures == statement.signatures)
        }
    }

    @Test("Its record and its event are on the disk when it arrives, and there after a restart; serials go on")
    func recorded() async throws {
        let directory = "/tmp/muster-run-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        var simulator: FleetSimulator?
        var serial: Int64 = 0
        var run: RunID?
        try await Self.run(in: directory) { fleet in
            simulator = fleet.fleet
            let node = try await fleet.nodes(["alpha"])[0]
            let id = try await fleet.ask(try echo(fleet, on: [node])).statement.id
            run = id
            let reply = try await fleet.client.runCertificate(id, session: fleet.session)
            serial = try #require(reply.serial)
            let stored = try #require(try await onDisk(fleet).first { $0.serial == reply.serial })
            #expect(stored.requester?.text == "ada" && stored.statement == nil)
            #expect(stored.targets == ["node:\(node.id)"] && stored.keyID.hasSuffix(id.text))
            #expect(stored.node == node.id, "asked for from the node's own address")
        }
        try await Self.run(in: directory, as: simulator) { fleet in
            let id = try #require(run)
            let events = try await fleet.client.events(after: 0, wait: 0, session: fleet.session)
                .filter { $0.type == "ssh-certificate-issued" }
            #expect(events.map(\.actor) == ["ada"])
            #expect(events.first?.detail["statement"] == JSONValue(id))
            #expect(events.first?.detail["serial"] == .integer(serial))
            #expect(try await onDisk(fleet).map(\.serial) == [serial])
            let next = try await fleet.client.runCertificate(id, session: fleet.session)
            #expect(try #require(next.serial) > serial)
        }
    }

    @Test("No more than eight of a run are good at once; the ninth is neither made known nor recorded")
    func bounded() async throws {
        try await Self.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let id = try await fleet.ask(try echo(fleet, on: [node])).statement.id
            for _ in 0..<RunCertificates.limit {
                _ = try await fleet.client.runCertificate(id, session: fleet.session)
            }
            await refused(429, "use those") { _ = try await fleet.client.runCertificate(id, session: fleet.session) }
            #expect(try await onDisk(fleet).count == RunCertificates.limit)
        }
    }

    @Test("Nobody but the requester gets one: no approver, no other operator, nobody without a session")
    func others() async throws {
        try await Self.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let id = try await fleet.ask(try echo(fleet, on: [node]), by: ["ben"]).statement.id
            for name in ["ada", "cat"] {
                let session = try await fleet.fixture.login(name)
                await refused(403, "is ben's") { _ = try await fleet.client.runCertificate(id, session: session) }
            }
            await refused(401, "") { _ = try await fleet.client.runCertificate(id, session: node.session) }
            await refused(401, "") { _ = try await fleet.client.runCertificate(id, session: "nobody") }
            #expect(try await onDisk(fleet).isEmpty)
        }
    }

    @Test("A run that agents carry out has none, nor has one that does not exist")
    func notOverSSH() async throws {
        try await Self.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let id = try await fleet.ask(try fleet.restart([node])).statement.id
            await refused(409, "is for agents") {
                _ = try await fleet.client.runCertificate(id, session: fleet.session)
            }
            let none = try #require(RunID(String(repeating: "0", count: 32)))
            await refused(404, "no run") { _ = try await fleet.client.runCertificate(none, session: fleet.session) }
            #expect(try await onDisk(fleet).isEmpty)
        }
    }

    @Test("There is none before the run is approved, and none once it was denied")
    func waiting() async throws {
        try await Self.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let ben = try await fleet.fixture.login("ben")
            let first = try await fleet.ask(try restart(fleet, on: [node]), by: ["ben"])
            let id = first.statement.id
            await refused(409, "is waiting") { _ = try await fleet.client.runCertificate(id, session: ben) }
            let signature = try fleet.signature(first, by: "ada")
            _ = try await fleet.client.approveRun(id, signature: signature, session: fleet.session)
            #expect(try await fleet.client.runCertificate(id, session: ben).state == .issued)

            let second = try await fleet.ask(try restart(fleet, on: [node]), by: ["ben"]).statement.id
            _ = try await fleet.client.denyRun(second, reason: "not today", session: fleet.session)
            await refused(409, "is denied") { _ = try await fleet.client.runCertificate(second, session: ben) }
            #expect(try await onDisk(fleet).count == 1)
        }
    }

    @Test("There is none before the run's time, and none once it was cancelled or has ended")
    func untimely() async throws {
        try await Self.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let later = fleet.fixture.clock.now().adding(seconds: 1200)
            let scheduled = try await fleet.ask(try echo(fleet, on: [node], notBefore: later)).statement.id
            await refused(409, "is scheduled") {
                _ = try await fleet.client.runCertificate(scheduled, session: fleet.session)
            }
            let cancelled = try await fleet.ask(try echo(fleet, on: [node])).statement.id
            _ = try await fleet.client.runCertificate(cancelled, session: fleet.session)
            _ = try await fleet.client.cancelRun(cancelled, reason: "enough", session: fleet.session)
            await refused(409, "enough") {
                _ = try await fleet.client.runCertificate(cancelled, session: fleet.session)
            }
            let done = try await fleet.ask(try echo(fleet, on: [node])).statement.id
            let now = fleet.fixture.clock.now()
            let result = RunResult(ending: .exited(0), outputBytes: 0, started: now, milliseconds: 4)
            let updates = [
                RunUpdate(state: .started, at: now, node: node.id),
                RunUpdate(state: .ended, at: now, result: result, node: node.id),
            ]
            _ = try await fleet.client.sendResults(done, RunResults(updates: updates), session: fleet.session)
            await refused(409, "is succeeded") {
                _ = try await fleet.client.runCertificate(done, session: fleet.session)
            }
            #expect(try await onDisk(fleet).count == 1)
        }
    }

    @Test("Every one is judged anew: a statement signed by another key, altered, or too old gives none")
    func judgedAnew() async throws {
        try await Self.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let good = try fleet.fleet.statement(.run(try echo(fleet, on: [node])), issued: fleet.fixture.clock.now())
            let other = try fleet.fleet.statement(
                .run(
                    try fleet.fleet.run(
                        "echo",
                        ["words": ["bad day"]],
                        on: [node.id],
                        ssh: try echo(fleet, on: [node]).ssh
                    )
                ),
                issued: fleet.fixture.clock.now()
            )
            let forger = try TestKey("forger").sshSignature(of: good.signedBytes, namespace: "run@muster")
            let service = fleet.fixture.server.service
            let ada = try #require(OperatorName("ada"))
            let now = fleet.fixture.clock.now()
            let origin = Self.origin(of: good)
            let attacks: [(String, SignedStatement, UTCTime)] = [
                ("forged", SignedStatement(good.statement, signatures: [forger]), now),
                ("altered", SignedStatement(other.statement, signatures: good.signatures), now),
                ("unsigned", SignedStatement(good.statement), now),
                ("late", good, good.statement.expires),
            ]
            for (attack, statement, time) in attacks {
                await refused(403, "") {
                    let reply = try await RunCertificates(service: service)
                        .issue(statement, to: ada, from: origin, at: time)
                    Issue.record("\(attack): got a certificate, \(reply)")
                }
            }
            #expect(try await onDisk(fleet).isEmpty)
            let reply = try await RunCertificates(service: service).issue(good, to: ada, from: origin, at: now)
            let content = try SSHCertificate(line: try #require(reply.certificate)).content
            // What was recorded of where it was asked for is what it says.
            #expect(content.sourceAddresses?.map(\.description) == ["100.64.0.9/32"])
            #expect(try await onDisk(fleet).first?.origin == "desk")
        }
    }

    /// A place other than this machine.
    private static func origin(of statement: SignedStatement) -> CertificateOrigin {
        CertificateOrigin(
            StoredCertificateRequest(
                statement: statement.statement.id,
                state: .waiting,
                detail: "",
                asked: statement.statement.issued,
                expires: statement.statement.expires,
                identity: "desk",
                origin: "desk",
                addresses: ["100.64.0.9"],
                node: nil,
                keyExpires: nil
            )
        )
    }
}
