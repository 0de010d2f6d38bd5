import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import SignatureVerification
import TUF
import Testing

/// A service whose every key was stolen can stop updates; it cannot start one.
///
/// Each test drives the real agent over HTTP and asks the real dpkg what is installed afterwards.
@Suite("a stolen service cannot start an upgrade", .serialized)
struct HostileServiceTests {
    @Test("control: an upgrade that an operator signed is installed")
    func honestUpgrade() async throws {
        try await HostileScenario.run(endsWith: "2.0") { scenario in
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectConfirmed("2.0")
        }
    }

    @Test("a released package without an operator's signature is refused")
    func noOperator() async throws {
        try await HostileScenario.run { scenario in
            var statement = try await scenario.upgradeStatement()
            statement.signatures = []
            try await scenario.assign(statement)
            try await scenario.expectRefusal("has not validly signed")
        }
    }

    @Test("an operator who is in no policy is refused")
    func unknownOperator() async throws {
        try await HostileScenario.run { scenario in
            try await scenario.assign(try await scenario.upgradeStatement(by: ["eve"]))
            try await scenario.expectRefusal("has not validly signed")
        }
    }

    @Test("a statement altered by one byte is refused")
    func alteredStatement() async throws {
        try await HostileScenario.run(tags: ["db"]) { scenario in
            let honest = try await scenario.upgradeStatement(nodes: [.tag(try #require(Tag("web")))])
            let text = String(decoding: honest.json.jsonBytes, as: UTF8.self)
            let bytes = Array(text.split(separator: "tag:web").joined(separator: "tag:wec").utf8)
            let altered = try SignedStatement(try JSONFields(try JSONValue.parse(bytes, limit: 1 << 20)))
            try await scenario.assign(altered)
            try await scenario.expectRefusal("is not over this statement")
        }
    }

    @Test("a statement of another fleet is refused")
    func otherFleet() async throws {
        try await HostileScenario.run { scenario in
            let fleet = await scenario.service.fleet
            let other = try #require(FleetID(digest: Digest.sha256([1])))
            let body = StatementBody.upgrade(try fleet.upgrade(to: HostileScenario.second))
            try await scenario.assign(try fleet.statement(body, seed: "second", fleet: other))
            try await scenario.expectRefusal("is for fleet")
        }
    }

    @Test("an expired statement is refused")
    func expiredStatement() async throws {
        try await HostileScenario.run { scenario in
            let fleet = await scenario.service.fleet
            let body = StatementBody.upgrade(try fleet.upgrade(to: HostileScenario.second))
            let issued = fleet.time.adding(seconds: -3600)
            try await scenario.assign(try fleet.statement(body, seed: "second", lifetime: 1800, issued: issued))
            try await scenario.expectRefusal("expired at")
        }
    }

    @Test("a statement that was carried out is not carried out again")
    func replayedStatement() async throws {
        try await HostileScenario.run(endsWith: "2.0") { scenario in
            try await scenario.assign(try await scenario.upgradeStatement())
            try await scenario.expectConfirmed("2.0")
            let fleet = await scenario.service.fleet
            let first = try fleet.statement(.upgrade(try fleet.upgrade(to: HostileScenario.first)), seed: "first")
            try await scenario.assign(first, HostileScenario.first, sequence: 101)
            try await scenario.expectNoChange()
        }
    }

    @Test("a signature made for another type of statement is refused")
    func typeConfusion() async throws {
        try await HostileScenario.run { scenario in
            var statement = try await scenario.upgradeStatement()
            statement.signatures = [
                try FleetSimulator.operatorKey("ada").sshSignature(
                    of: statement.signedBytes,
                    namespace: StatementType.rollBack.namespace
                )
            ]
            try await scenario.assign(statement)
            try await scenario.expectRefusal("signed in namespace")
        }
    }

    @Test("a requester who approves his own statement is refused")
    func selfApproval() async throws {
        try await HostileScenario.run { scenario in
            try await scenario.assign(try await scenario.upgradeStatement(by: ["ben", "ben"]))
            try await scenario.expectRefusal("needs 1 approval")
        }
    }

    @Test("an approver who is in no policy counts for nothing")
    func unknownApprover() async throws {
        try await HostileScenario.run { scenario in
            try await scenario.assign(try await scenario.upgradeStatement(by: ["ben", "eve"]))
            try await scenario.expectRefusal("needs 1 approval")
        }
    }

    @Test("control: an approval by a lead is enough")
    func honestApproval() async throws {
        try await HostileScenario.run(endsWith: "2.0") { scenario in
            try await scenario.assign(try await scenario.upgradeStatement(by: ["ben", "cat"]))
            try await scenario.expectConfirmed("2.0")
        }
    }

    @Test("a node cannot be tagged into a rule by the service")
    func retaggedNode() async throws {
        try await HostileScenario.run(tags: ["db"]) { scenario in
            let fleet = await scenario.service.fleet
            let node = scenario.service.node
            let web = try #require(Tag("web"))
            let tag = try fleet.statement(.tagNode(TagNodeBody(node: node, tags: [web])), by: ["eve"], seed: "tag")
            let statement = try await scenario.upgradeStatement(by: ["ben", "cat"])
            let manifest = try fleet.manifest(
                for: node,
                sequence: 100,
                [fleet.assignment(HostileScenario.second, statement)],
                tags: [tag]
            )
            await scenario.service.send(sequence: 100, manifest)
            try await scenario.expectRefusal("is not among its 'nodes'")
        }
    }

    @Test("the manifest of another node is refused")
    func otherNodesManifest() async throws {
        try await HostileScenario.run { scenario in
            let fleet = await scenario.service.fleet
            let statement = try await scenario.upgradeStatement()
            let manifest = try fleet.manifest(
                for: try #require(NodeID("node-elsewhere")),
                sequence: 100,
                [fleet.assignment(HostileScenario.second, statement)]
            )
            await scenario.service.send(sequence: 100, manifest)
            try await scenario.expectRefusal("is for node node-elsewhere")
        }
    }

    @Test("a replayed manifest is refused")
    func replayedManifest() async throws {
        try await HostileScenario.run { scenario in
            let fleet = await scenario.service.fleet
            let statement = try await scenario.upgradeStatement()
            let manifest = try fleet.manifest(
                for: scenario.service.node,
                sequence: 1,
                [fleet.assignment(HostileScenario.second, statement)]
            )
            await scenario.service.send(sequence: 0, manifest)
            try await scenario.expectRefusal("is not newer than")
        }
    }

    @Test("fast-forward and recovery: the highest sequence of a stolen key is forgotten with that key")
    func fastForward() async throws {
        try await HostileScenario.run(endsWith: "2.0") { scenario in
            let highest = UpdateManifest.sequenceLimit
            let node = scenario.service.node
            let stolen = try await scenario.service.fleet.manifest(for: node, sequence: highest, [])
            await scenario.service.send(sequence: highest, stolen)
            for _ in 0..<2400 {
                if await scenario.service.reports.contains(where: { $0.sequence == highest }) { break }
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(await scenario.service.reports.last?.sequence == highest)
            try await scenario.assign(try await scenario.upgradeStatement(), sequence: 3)
            try await scenario.expectRefusal("is not newer than")
            // The fleet replaces the keys of its service, as 'muster fleet renew --rotate-service-keys' does.
            try await scenario.service.attack { fleet in
                fleet.snapshotKey = TestKey("next snapshot")
                fleet.timestampKey = TestKey("next timestamp")
                fleet.manifestKey = TestKey("next manifest")
                fleet.revocationsKey = TestKey("next revocations")
                fleet.rootVersion += 1
                fleet.targetsVersion += 1
                try fleet.publishReleases()
            }
            try await scenario.assign(try await scenario.upgradeStatement(), sequence: 4)
            try await scenario.expectConfirmed("2.0")
        }
    }

    @Test("a manifest signed by another of the service's keys is refused")
    func wronglySignedManifest() async throws {
        try await HostileScenario.run { scenario in
            let fleet = await scenario.service.fleet
            let statement = try await scenario.upgradeStatement()
            let manifest = try fleet.manifest(
                for: scenario.service.node,
                sequence: 100,
                [fleet.assignment(HostileScenario.second, statement)],
                signedBy: fleet.snapshotKey
            )
            await scenario.service.send(sequence: 100, manifest)
            try await scenario.expectRefusal("is not signed by")
        }
    }

    @Test("a manifest made by a clock far ahead is refused")
    func clockFarAhead() async throws {
        try await HostileScenario.run { scenario in
            var fleet = await scenario.service.fleet
            let statement = try await scenario.upgradeStatement()
            fleet.time = fleet.time.adding(seconds: 86400)
            let manifest = try fleet.manifest(
                for: scenario.service.node,
                sequence: 100,
                [fleet.assignment(HostileScenario.second, statement)]
            )
            await scenario.service.send(sequence: 100, manifest)
            try await scenario.expectRefusal("compare the clocks")
        }
    }
}
