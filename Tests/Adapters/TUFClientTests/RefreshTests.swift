import ByteCoding
import MusterSystem
import MusterTestSupport
import TUF
import TUFClient
import TUFTrust
import Testing

@Suite struct RefreshTests {
    private let day = RepositorySimulator.day
    private static let roles = ["root", "timestamp", "snapshot", "targets"]

    private func expect(
        _ code: TUFTrustError.Code,
        from fixture: ClientFixture,
        at time: UTCTime? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        await #expect(throws: TUFClientError.trust(TUFTrustError(code, "")), sourceLocation: sourceLocation) {
            try await fixture.client.refresh(at: time ?? day)
        }
    }

    @Test("a refresh asks for each file once, in order, and stores the bytes under unversioned names")
    func first() async throws {
        let fixture = try ClientFixture()
        _ = try await fixture.client.refresh(at: day)
        #expect(
            fixture.server.requests() == [
                "metadata/2.root.json", "metadata/timestamp.json", "metadata/1.snapshot.json",
                "metadata/1.targets.json",
            ]
        )
        #expect(try fixture.folder.names() == ["root.json", "snapshot.json", "targets.json", "timestamp.json"])
        for role in Self.roles { #expect(try fixture.isCurrent(role)) }
    }

    @Test("what has not changed is not fetched again")
    func second() async throws {
        let fixture = try ClientFixture()
        _ = try await fixture.client.refresh(at: day)
        _ = fixture.server.requests()
        _ = try await fixture.client.refresh(at: day)
        #expect(fixture.server.requests() == ["metadata/2.root.json", "metadata/timestamp.json"])
        #expect(try fixture.client.stored(at: day).targets?.version == 1)
    }

    @Test("repositories without consistent snapshots")
    func unversioned() async throws {
        var repository = try RepositorySimulator()
        repository.consistentSnapshot = false
        try repository.republish("root")
        for role in ["targets", "snapshot", "timestamp"] { try repository.republish(role) }
        let fixture = try ClientFixture(repository)
        _ = try await fixture.client.refresh(at: day)
        #expect(fixture.server.requests().suffix(2) == ["metadata/snapshot.json", "metadata/targets.json"])
    }

    @Test("damaged stored metadata never wedges: it is fetched again", arguments: ["timestamp", "snapshot", "targets"])
    func damaged(role: String) async throws {
        let fixture = try ClientFixture()
        _ = try await fixture.client.refresh(at: day)
        for garbage in [[], Array("{".utf8), Array(fixture.server.repository.current(role).dropLast(9))] as [[UInt8]] {
            try AtomicFile.write(garbage, to: fixture.folder.path + "/\(role).json")
            _ = try await fixture.client.refresh(at: day)
            #expect(try fixture.isCurrent(role))
        }
    }

    @Test("a damaged root is recovered from the pinned one, and only from it", arguments: [true, false])
    func damagedRoot(pinned: Bool) async throws {
        let fixture = try ClientFixture(pinned: pinned)
        try fixture.server.change { try $0.publish("root", "root") }
        _ = try await fixture.client.refresh(at: day)
        try AtomicFile.write([0x7B], to: fixture.folder.path + "/root.json")
        if pinned {
            #expect(try await fixture.client.refresh(at: day).root.version == 3)
            #expect(try fixture.isCurrent("root"))
        } else {
            await #expect(throws: TUFClientError.self) { try await fixture.client.refresh(at: day) }
            #expect(try fixture.folder.read("root.json") == [0x7B])
        }
    }

    @Test("long offline: stored metadata past every expiry recovers")
    func longOffline() async throws {
        let fixture = try ClientFixture()
        _ = try await fixture.client.refresh(at: day)
        let later = day.adding(seconds: 3 * 365 * 86400)
        await expect(.expired, from: fixture, at: later)
        try fixture.server.change {
            $0.defaultExpiry = later.adding(seconds: 86400)
            try $0.publish("root", "root", "targets", "snapshot", "timestamp")
        }
        #expect(try await fixture.client.refresh(at: later).targets?.version == 2)
    }

    @Test("an expired root is stored, and nothing behind it is fetched")
    func expiredRoot() async throws {
        let fixture = try ClientFixture()
        _ = try await fixture.client.refresh(at: day)
        try fixture.server.change {
            $0.expires["root"] = day
            try $0.publish("root", "timestamp")
        }
        _ = fixture.server.requests()
        await expect(.expired, from: fixture)
        #expect(fixture.server.requests() == ["metadata/2.root.json", "metadata/3.root.json"])
        #expect(try fixture.isCurrent("root"))
        #expect(try fixture.isCurrent("timestamp") == false)
    }

    @Test("freeze: expired metadata is not stored", arguments: ["timestamp", "snapshot", "targets"])
    func expired(role: String) async throws {
        let fixture = try ClientFixture()
        _ = try await fixture.client.refresh(at: day)
        try fixture.server.change {
            $0.expires[role] = day
            try $0.publish("targets", "snapshot", "timestamp")
        }
        await expect(.expired, from: fixture)
        #expect(try fixture.isCurrent(role) == false)
    }

    @Test("rollback: what is stored stays", arguments: ["timestamp", "snapshot", "targets"])
    func rollback(role: String) async throws {
        var repository = try RepositorySimulator()
        try repository.publishTargets("targets")
        let fixture = try ClientFixture(repository)
        _ = try await fixture.client.refresh(at: day)
        try fixture.server.change {
            $0.versions[role] = 1
            try $0.republish(role)
            if role == "targets" { try $0.publish("snapshot") }
            if role != "timestamp" { try $0.publish("timestamp") }
        }
        await expect(.rollback, from: fixture)
        #expect(try fixture.folder.read(role + ".json") == repository.current(role))
    }

    @Test("fast-forward: rotated keys delete the stored timestamp and snapshot")
    func fastForward() async throws {
        let fixture = try ClientFixture()
        try fixture.server.change {
            $0.versions["targets"] = 999
            try $0.publishTargets("targets")
        }
        _ = try await fixture.client.refresh(at: day)
        try fixture.server.change {
            $0.keys["snapshot"] = [TestKey("another")]
            $0.versions["targets"] = 1
            try $0.publish("root", "targets", "snapshot", "timestamp")
        }
        #expect(try await fixture.client.refresh(at: day).targets?.version == 2)
    }

    @Test("no more root rotations are followed than the limit, and the next refresh goes on")
    func rotations() async throws {
        let fixture = try ClientFixture(rootRotations: 3)
        try fixture.server.change { try $0.publish("root", "root", "root", "root", "root") }
        #expect(try await fixture.client.refresh(at: day).root.version == 4)
        #expect(try await fixture.client.refresh(at: day).root.version == 6)
    }

    @Test("under-threshold metadata is not stored")
    func underThreshold() async throws {
        let fixture = try ClientFixture()
        _ = try await fixture.client.refresh(at: day)
        try fixture.server.change {
            $0.thresholds["snapshot"] = 2
            $0.keys["snapshot"]?.append(TestKey("second"))
            $0.signers["snapshot"] = [TestKey("second")]
            try $0.publish("root", "snapshot", "timestamp")
        }
        await expect(.threshold, from: fixture)
        #expect(try fixture.isCurrent("snapshot") == false)
    }

    @Test(
        "a snapshot or targets that is not there: what came before it is stored, what was there stays",
        arguments: ["snapshot", "targets"]
    )
    func missing(role: String) async throws {
        let fixture = try ClientFixture()
        _ = try await fixture.client.refresh(at: day)
        let before = try fixture.folder.read(role + ".json")
        try fixture.server.change {
            try $0.publish("targets", "snapshot", "timestamp")
            $0.files["metadata/2.\(role).json"] = nil
        }
        _ = fixture.server.requests()
        await #expect(throws: TUFClientError.self) { try await fixture.client.refresh(at: day) }
        #expect(fixture.server.requests().last == "metadata/2.\(role).json")
        #expect(try fixture.isCurrent("timestamp"))
        #expect(try fixture.folder.read(role + ".json") == before)
    }

    @Test("a repository without a timestamp is an error that says so")
    func missing() async throws {
        let fixture = try ClientFixture()
        try fixture.server.change { $0.files["metadata/timestamp.json"] = nil }
        await #expect(throws: TUFClientError.self) { try await fixture.client.refresh(at: day) }
    }

    @Test(
        "role names are never paths: they are percent-encoded in addresses and file names",
        arguments: ["?", "#", "/delegated", "../delegated", "é", "a b%20"]
    )
    func roleNames(role: String) async throws {
        var repository = try RepositorySimulator()
        repository.delegate(to: role)
        repository.add("file", [1], to: role)
        try repository.publish(role)
        try repository.publishTargets("targets")
        let fixture = try ClientFixture(repository)
        var trusted = try await fixture.client.refresh(at: day)
        #expect(try await fixture.client.targetFile("file", in: &trusted) != nil)
        let encoded = TargetPath.percentEncoded(role)
        #expect(fixture.server.requests().last == "metadata/1.\(encoded).json")
        #expect(try fixture.folder.names().count == 5)
        #expect(try fixture.folder.names().contains(encoded + ".json"))
        var stored = try fixture.client.stored(at: day)
        #expect(try fixture.client.storedTargetFile("file", in: &stored)?.length == 1)
    }
}
