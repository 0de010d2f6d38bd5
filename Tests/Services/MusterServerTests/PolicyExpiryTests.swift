import ByteCoding
import CanonicalJSON
import MusterClient
import MusterKeys
import MusterModel
import MusterPolicy
import MusterStore
import MusterSystem
import MusterTestSupport
import SignatureVerification
import TUF
import Testing

@testable import MusterServer

@Suite("An expired policy")
struct PolicyExpiryTests {
    /// The next version of everything that owners sign, as of the service's time.
    private func renewal(_ fixture: ServerFixture) throws -> FleetSimulator {
        var next = fixture.fleet
        next.time = fixture.clock.now().wholeSeconds
        next.policyDocument = try FleetSimulator.defaultPolicy(time: next.time)
        next.rootVersion += 1
        next.targetsVersion += 1
        next.policyVersion += 1
        next.releasesVersion += 1
        try next.publish()
        return next
    }

    private func changed(_ fleet: FleetSimulator, _ change: (inout FleetSimulator) -> Void) throws -> FleetSimulator {
        var fleet = fleet
        change(&fleet)
        try fleet.publish()
        return fleet
    }

    private func send(_ role: String, of fleet: FleetSimulator, to fixture: ServerFixture) async throws {
        let version =
            switch role {
            case "root": fleet.rootVersion
            case "targets": fleet.targetsVersion
            case "policy": fleet.policyVersion
            default: fleet.releasesVersion
            }
        let bytes = try #require(fleet.files["metadata/\(version).\(role).json"])
        try await fixture.client.publish(role: role, metadata: bytes, session: nil)
    }

    private func sendDocument(of fleet: FleetSimulator, to fixture: ServerFixture) async throws {
        let document = fleet.policyDocument.canonicalBytes
        try await fixture.client.upload(
            bytes: document,
            sha256: Digest.sha256(document),
            target: FleetPolicy.targetPath,
            session: nil
        )
    }

    private func actors(_ fixture: ServerFixture) async throws -> [JSONValue] {
        try await fixture.server.service.store.read { try $0.events(after: 0, limit: 1000) }
            .filter { $0["type"] == "metadata-published" }.compactMap { $0["actor"] }
    }

    @Test(
        "Once no operator's key is good, the policy keys' signatures renew it: not others', not too few, nothing else"
    )
    func renewed() async throws {
        let directory = "/tmp/muster-server-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        var fleet = try FleetSimulator(time: WallClock.now())
        fleet.policyKeys = [TestKey("policy-1"), TestKey("policy-2")]
        try fleet.publish()
        try await ServerFixture.run(in: directory, withFleet: true, as: fleet) { fixture in
            _ = try await fixture.login()
            await expectProblem(401) { try await sendDocument(of: fixture.fleet, to: fixture) }
            await expectProblem(401) { try await send("policy", of: try renewal(fixture), to: fixture) }

            fixture.clock.advance(seconds: 181 * 86400)
            await expectProblem(503) { _ = try await fixture.login() }
            let next = try renewal(fixture)
            await expectProblem(409) { try await send("policy", of: next, to: fixture) }
            try await sendDocument(of: next, to: fixture)
            let tooFew = try changed(next) { $0.policyKeys.removeLast() }
            await expectProblem(422) { try await send("policy", of: tooFew, to: fixture) }
            let thieves = try changed(next) { $0.policyKeys = [TestKey("thief-1"), TestKey("thief-2")] }
            await expectProblem(422) { try await send("policy", of: thieves, to: fixture) }
            await expectProblem(401) {
                try await fixture.client.upload(
                    bytes: [1],
                    sha256: Digest.sha256([1]),
                    target: "releases/x",
                    session: nil
                )
            }
            await expectProblem(413) {
                let long = [UInt8](repeating: 0, count: 1_000_001)
                try await fixture.client.upload(
                    bytes: long,
                    sha256: Digest.sha256(long),
                    target: FleetPolicy.targetPath,
                    session: nil
                )
            }
            await expectProblem(503) { _ = try await fixture.login() }
            try await send("policy", of: next, to: fixture)

            _ = try await fixture.client.nodes(session: try await fixture.login())
            await expectProblem(401) { try await send("releases", of: next, to: fixture) }
            let actors = try await actors(fixture)
            #expect(actors == ["policy keys"])
        }
    }

    @Test("After every expiry is over, root, targets and policy follow one another, and none is believed unverified")
    func everythingExpired() async throws {
        try await ServerFixture.run { fixture in
            fixture.clock.advance(seconds: 366 * 86400)
            await expectProblem(503) { _ = try await fixture.login() }
            let next = try renewal(fixture)
            try await sendDocument(of: next, to: fixture)
            let thieves = try changed(next) { $0.policyKeys = [TestKey("thief")] }
            let wrongRoot = try changed(next) { $0.rootThreshold = 1 }
            for (role, fleet) in [("policy", thieves), ("policy", next), ("releases", next), ("root", wrongRoot)] {
                await expectProblem(422) { try await send(role, of: fleet, to: fixture) }
            }
            try await send("root", of: next, to: fixture)
            await expectProblem(422) { try await send("policy", of: thieves, to: fixture) }
            await expectProblem(422) { try await send("targets", of: wrongRoot, to: fixture) }
            try await send("targets", of: next, to: fixture)
            await expectProblem(422) { try await send("policy", of: thieves, to: fixture) }
            try await send("policy", of: next, to: fixture)
            let session = try await fixture.login()
            let releases = try #require(next.files["metadata/2.releases.json"])
            try await fixture.client.publish(role: "releases", metadata: releases, session: session)
            let actors = try await actors(fixture)
            #expect(actors == ["root keys", "targets keys", "policy keys", "ada"])
        }
    }

    @Test("Strangers get only so many uploads an hour, from one address and in all")
    func allowance() {
        let allowance = RenewalAllowance()
        let begin = UTCTime(seconds: 1_800_000_000)
        #expect((0..<40).count { _ in allowance.take("a", at: begin) } == RenewalAllowance.forAddress)
        #expect((0..<1000).count { allowance.take("b\($0)", at: begin) } == RenewalAllowance.inAll - 30)
        #expect(allowance.take("a", at: begin.adding(seconds: 3600)))
    }
}
