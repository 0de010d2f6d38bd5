import ByteCoding
import MusterTestSupport
import TUF
import TUFTrust
import Testing

@Suite struct FreshnessAttackTests {
    private let day = RepositorySimulator.day

    @Test("freeze: expired metadata of any role is refused", arguments: ["root", "timestamp", "snapshot", "targets"])
    func expired(role: String) throws {
        var repository = try RepositorySimulator()
        repository.expires[role] = day
        try repository.publish(role)
        if role == "targets" { try repository.publish("snapshot") }
        if role != "root" { try repository.publish("timestamp") }
        #expect(throws: TUFTrustError.of(.expired)) { try TrustingClient.refreshed(repository) }
        _ = try TrustingClient.refreshed(repository, at: day.adding(seconds: -1))
    }

    @Test("freeze: the timestamp already trusted, served again after it has expired, is refused")
    func frozenTimestamp() throws {
        var repository = try RepositorySimulator()
        repository.expires["timestamp"] = day.adding(seconds: 60)
        try repository.republish("timestamp")
        let earlier = try TrustingClient.refreshed(repository)
        #expect(throws: TUFTrustError.of(.expired)) {
            try TrustingClient.refreshed(repository, at: day.adding(seconds: 61), cache: earlier)
        }
    }

    @Test("a timestamp of the trusted version changes nothing, whatever it says")
    func equalTimestamp() throws {
        var repository = try RepositorySimulator()
        var client = try TrustingClient.refreshed(repository)
        repository.snapshotMeta = MetaFile(version: 100)
        try repository.republish("timestamp")
        #expect(try client.trusted.updateTimestamp(repository.current("timestamp")) == .unchanged)
        #expect(client.trusted.timestamp?.snapshot.version == 1)
    }

    @Test("rollback of the timestamp")
    func timestampRollback() throws {
        var repository = try RepositorySimulator()
        try repository.publish("timestamp")
        let earlier = try TrustingClient.refreshed(repository)
        repository.versions["timestamp"] = 1
        try repository.republish("timestamp")
        #expect(throws: TUFTrustError.of(.rollback)) { try TrustingClient.refreshed(repository, cache: earlier) }
        _ = try TrustingClient.refreshed(repository)
    }

    @Test("rollback of the snapshot that a new timestamp names")
    func snapshotRollback() throws {
        var repository = try RepositorySimulator()
        try repository.publish("snapshot", "timestamp")
        let earlier = try TrustingClient.refreshed(repository)
        repository.versions["snapshot"] = 1
        try repository.republish("snapshot")
        try repository.publish("timestamp")
        #expect(throws: TUFTrustError.of(.rollback)) { try TrustingClient.refreshed(repository, cache: earlier) }
    }

    @Test("rollback of targets, also against a stored snapshot that has expired", arguments: [false, true])
    func targetsRollback(expired: Bool) throws {
        var repository = try RepositorySimulator()
        if expired { repository.expires["snapshot"] = day.adding(seconds: 10) }
        try repository.publishTargets("targets")
        let earlier = try TrustingClient.refreshed(repository)
        repository.expires = [:]
        repository.versions["targets"] = 1
        try repository.republish("targets")
        try repository.publish("snapshot", "timestamp")
        #expect(throws: TUFTrustError.of(.rollback)) {
            try TrustingClient.refreshed(repository, at: day.adding(seconds: 20), cache: earlier)
        }
    }

    @Test("no role may vanish from a snapshot")
    func vanishedRole() throws {
        var repository = try RepositorySimulator()
        repository.delegate(to: "releases")
        try repository.publish("releases")
        try repository.publishTargets("targets")
        let earlier = try TrustingClient.refreshed(repository)
        repository.meta["releases"] = nil
        try repository.publish("snapshot", "timestamp")
        #expect(throws: TUFTrustError.of(.missingRole)) { try TrustingClient.refreshed(repository, cache: earlier) }
    }

    @Test(
        "fast-forward: versions near the end are recovered from by rotating the keys",
        arguments: ["timestamp", "snapshot"]
    )
    func fastForward(role: String) throws {
        var repository = try RepositorySimulator()
        repository.versions[role] = .max - 1
        try repository.publish(role)
        if role == "snapshot" { try repository.publish("timestamp") }
        let attacked = try TrustingClient.refreshed(repository)
        repository.versions[role] = 1
        try repository.republish(role)
        if role == "snapshot" { try repository.publish("timestamp") }
        #expect(throws: TUFTrustError.of(.rollback)) { try TrustingClient.refreshed(repository, cache: attacked) }

        repository.keys["timestamp"] = [TestKey("timestamp, new")]
        repository.keys["snapshot"] = [TestKey("snapshot, new")]
        try repository.publish("root", "snapshot", "timestamp")
        let recovered = try TrustingClient.refreshed(repository, cache: attacked)
        #expect(recovered.trusted.freshnessKeysRotated)
        #expect(recovered.trusted.snapshot?.version == repository.versions["snapshot"])
    }

    @Test("adding a key is not a rotation: stored versions keep protecting")
    func addedKey() throws {
        var repository = try RepositorySimulator()
        repository.keys["timestamp"]?.append(TestKey("second"))
        try repository.publish("root")
        #expect(try !TrustingClient.refreshed(repository).trusted.freshnessKeysRotated)
    }

    @Test("stored metadata past every expiry recovers by fetching")
    func longOffline() throws {
        var repository = try RepositorySimulator()
        let earlier = try TrustingClient.refreshed(repository)
        let later = day.adding(seconds: 5 * 365 * 86400)
        repository.defaultExpiry = later.adding(seconds: 86400)
        try repository.publish("root", "targets", "snapshot", "timestamp")
        let recovered = try TrustingClient.refreshed(repository, at: later, cache: earlier)
        #expect(recovered.trusted.targets?.version == 2)
    }

    @Test("a clock far ahead refuses everything and breaks nothing; a clock far behind reads what is there")
    func clock() throws {
        let repository = try RepositorySimulator()
        #expect(throws: TUFTrustError.of(.expired)) {
            try TrustingClient.refreshed(repository, at: UTCTime(seconds: 9_000_000_000))
        }
        _ = try TrustingClient.refreshed(repository, at: UTCTime(seconds: 0))
        _ = try TrustingClient.refreshed(repository)
    }

    @Test("metadata must be asked for in order")
    func order() throws {
        let repository = try RepositorySimulator()
        var client = try TrustingClient(repository)
        #expect(throws: TUFTrustError.of(.order)) { try client.trusted.updateSnapshot(repository.current("snapshot")) }
        _ = try client.trusted.updateTimestamp(repository.current("timestamp"))
        #expect(throws: TUFTrustError.of(.order)) { try client.trusted.updateTargets(repository.current("targets")) }
        #expect(throws: TUFTrustError.of(.order)) { try client.trusted.updateRoot(repository.firstRoot) }
    }
}
