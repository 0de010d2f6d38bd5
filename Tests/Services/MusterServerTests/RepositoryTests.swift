import ByteCoding
import MusterAPI
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import SignatureVerification
import TUF
import TUFTrust
import Testing

@testable import MusterServer

@Suite("The TUF repository over HTTP")
struct RepositoryTests {
    private func get(
        _ fixture: ServerFixture,
        _ path: String,
        _ headers: [(String, String)] = [],
        method: HTTPRequest.Method = .get
    ) async throws -> HTTPReply {
        try await fixture.client.transport.exchange(
            HTTPRequest(fixture.url + "/tuf/" + path, method: method, headers: headers, limit: 10_000_000)
        )
    }

    @Test("Ranges, entity tags, HEAD and caching are those of RFC 9110")
    func ranges() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            let bytes = try #require(fixture.fleet.packages[path])
            let address = "targets/" + FleetSimulator.hashed(path, bytes)
            let whole = try await get(fixture, address)
            #expect(whole.status == 200)
            #expect(whole.body == bytes)
            #expect(whole.header("cache-control")?.contains("immutable") == true)
            let tag = try #require(whole.header("etag"))
            let count = bytes.count
            let cases: [(String, Int, ArraySlice<UInt8>?)] = [
                ("bytes=0-3", 206, bytes[0..<4]), ("bytes=5-", 206, bytes[5...]), ("bytes=-4", 206, bytes.suffix(4)),
                ("bytes=0-99999", 206, bytes[...]), ("bytes=\(count)-", 416, nil), ("bytes=-0", 416, nil),
                ("bytes=0-1,3-4", 200, bytes[...]), ("bytes=4-2", 200, bytes[...]), ("lines=1-2", 200, bytes[...]),
                ("bytes=x-y", 200, bytes[...]),
            ]
            for (range, status, body) in cases {
                let reply = try await get(fixture, address, [("Range", range)])
                #expect(reply.status == status, "\(range)")
                if let body { #expect(reply.body == Array(body), "\(range)") }
            }
            #expect(
                try await get(fixture, address, [("Range", "bytes=2-3")]).header("content-range")
                    == "bytes 2-3/\(count)"
            )
            #expect(try await get(fixture, address, [("Range", "bytes=2-3"), ("If-Range", tag)]).status == 206)
            #expect(try await get(fixture, address, [("Range", "bytes=2-3"), ("If-Range", "\"x\"")]).status == 200)
            #expect(try await get(fixture, address, [("If-None-Match", tag)]).status == 304)
            let head = try await get(fixture, address, method: .head)
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
            #expect(head.header("content-length") == String(count))
            #expect(try await get(fixture, "metadata/timestamp.json").header("cache-control") == "no-cache")
        }
    }

    @Test("What is served is trusted by a client that starts from the first root")
    func trusted() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            var trusted = try TrustedMetadata(
                trustedRoot: try await get(fixture, "metadata/1.root.json").body,
                time: fixture.clock.now()
            )
            _ = try trusted.updateTimestamp(try await get(fixture, "metadata/timestamp.json").body)
            let snapshot = try trusted.snapshotToFetch().version
            _ = try trusted.updateSnapshot(try await get(fixture, "metadata/\(snapshot).snapshot.json").body)
            try trusted.updateTargets(try await get(fixture, "metadata/1.targets.json").body)
            let releases = try trusted.targetsToFetch("releases").version
            try trusted.updateDelegatedTargets(
                try await get(fixture, "metadata/\(releases).releases.json").body,
                role: "releases",
                delegator: "targets"
            )
            #expect(trusted.delegatedTargets("releases")?.file(path) != nil)
        }
    }

    @Test("Snapshot and timestamp are signed anew at half of their life, and after a service was off for long")
    func freshness() async throws {
        try await ServerFixture.run { fixture in
            let service = fixture.server.service
            let first = try #require(service.repository.current).timestampVersion
            fixture.clock.advance(seconds: 6 * 3600)
            try await service.repository.refresh(at: fixture.clock.now())
            #expect(service.repository.current?.timestampVersion == first)
            fixture.clock.advance(seconds: 7 * 3600)
            try await service.repository.refresh(at: fixture.clock.now())
            #expect(service.repository.current?.timestampVersion == first + 1)
            fixture.clock.advance(seconds: 30 * 86400)
            try await service.repository.open(at: fixture.clock.now())
            #expect(service.repository.current?.troubles == [])
        }
    }

    @Test("Metadata of a wrong version, under its threshold, or naming a file that was not uploaded is not published")
    func refusedMetadata() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            _ = try await fixture.release("2.0", counter: 2, by: session)
            let old = fixture.fleet.files["metadata/1.releases.json"] ?? []
            await expectProblem(409) {
                try await fixture.client.publish(role: "releases", metadata: old, session: session)
            }
            var forged = fixture.fleet
            forged.releaseKeys = [TestKey("thief")]
            try forged.publishReleases()
            await expectProblem(422) {
                try await fixture.client.publish(
                    role: "releases",
                    metadata: forged.files["metadata/\(forged.releasesVersion).releases.json"] ?? [],
                    session: session
                )
            }
            var early = fixture.fleet
            early.packages["releases/hello_2.0_amd64.deb"] = Array("never uploaded".utf8)
            try early.publishReleases()
            await expectProblem(409) {
                try await fixture.client.publish(
                    role: "releases",
                    metadata: early.files["metadata/\(early.releasesVersion).releases.json"] ?? [],
                    session: session
                )
            }
        }
    }

    @Test("Uploads that nothing names are removed after a day, those that are named stay")
    func unreferenced() async throws {
        try await ServerFixture.run { fixture in
            let session = try await fixture.login()
            let path = try await fixture.release("2.0", counter: 2, by: session)
            let stray = Array("stray".utf8)
            try await fixture.client.upload(
                bytes: stray,
                sha256: Digest.sha256(stray),
                target: "releases/stray.deb",
                session: session
            )
            let service = fixture.server.service
            let publication = try #require(service.repository.current)
            fixture.clock.advance(seconds: 2 * 86400)
            try await service.upload.removeUnreferenced(publication, at: fixture.clock.now())
            #expect(!Directory.exists(service.state.file(Hex.encode(Digest.sha256(stray)))))
            let kept = Digest.sha256(fixture.fleet.packages[path] ?? [])
            #expect(Directory.exists(service.state.file(Hex.encode(kept))))
        }
    }

    @Test("A service opened again has the same fleet, nodes, sessions and rollouts")
    func restart() async throws {
        let directory =
            "/tmp/muster-server-test-"
            + Hex.encode(Digest.sha256(Array("restart \(UInt64.random(in: 0 ... .max))".utf8)).prefix(8))
        defer { removeTree(directory) }
        var before: (id: NodeID, session: String, fleet: FleetSimulator)?
        try await ServerFixture.run(in: directory, withFleet: true) { fixture in
            let secret = try await fixture.token(uses: 1, by: try await fixture.login())
            let node = try await fixture.node("alpha", secret: secret)
            try await node.report(version: "1.0")
            before = (node.id, node.session, fixture.fleet)
        }
        let node = try #require(before)
        try await ServerFixture.run(in: directory, withFleet: false, as: node.fleet) { fixture in
            let record = try await fixture.client.node(node.id, session: try await fixture.login())
            #expect(record.report?.packages == ["hello": "1.0"])
            _ = try await fixture.client.report(TestNode.report(version: "1.1"), session: node.session)
        }
    }
}
