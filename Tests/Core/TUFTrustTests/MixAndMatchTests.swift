import ByteCoding
import CanonicalJSON
import MusterTestSupport
import SignatureVerification
import TUF
import TUFTrust
import Testing

@Suite struct MixAndMatchTests {
    @Test("a snapshot other than the timestamp names is refused", arguments: [false, true])
    func snapshot(hashes: Bool) throws {
        var repository = try RepositorySimulator()
        repository.namesHashes = hashes
        try repository.publishTargets("targets")
        let timestamp = repository.current("timestamp")
        repository.versions["snapshot"] = hashes ? 2 : 3
        repository.expires["snapshot"] = repository.defaultExpiry.adding(seconds: 1)
        try repository.republish("snapshot")
        var client = try TrustingClient(repository)
        _ = try client.trusted.updateTimestamp(timestamp)
        #expect(throws: TUFTrustError.of(.mixAndMatch)) {
            try client.trusted.updateSnapshot(repository.current("snapshot"))
        }
        #expect(client.trusted.snapshot == nil)
    }

    @Test("targets other than the snapshot names are refused", arguments: [false, true])
    func targets(hashes: Bool) throws {
        var repository = try RepositorySimulator()
        repository.namesHashes = hashes
        try repository.publishTargets("targets")
        repository.versions["targets"] = hashes ? 2 : 3
        repository.expires["targets"] = repository.defaultExpiry.adding(seconds: 1)
        let signed = try RepositorySimulator.sign(try repository.signed("targets"), [TestKey("targets")])
        repository.files["metadata/2.targets.json"] = signed.bytes
        #expect(throws: TUFTrustError.of(.mixAndMatch)) { try TrustingClient.refreshed(repository) }
    }

    @Test("a stored snapshot whose bytes the timestamp does not name is fetched anew")
    func storedSnapshot() throws {
        var repository = try RepositorySimulator()
        repository.namesHashes = true
        try repository.publishTargets("targets")
        var client = try TrustingClient(repository)
        _ = try client.trusted.updateTimestamp(repository.current("timestamp"))
        let other = try RepositorySimulator.sign(
            try repository.signed("snapshot"),
            [TestKey("snapshot"), TestKey("stranger")]
        )
        #expect(try client.trusted.updateSnapshot(other.bytes, from: .cache) == .outdated)
        #expect(try client.trusted.updateSnapshot(repository.current("snapshot"), from: .cache) == .accepted)
    }

    @Test("a hash by an unknown algorithm alone is refused")
    func unknownHash() throws {
        var repository = try RepositorySimulator()
        guard case .object(var signed) = try repository.signed("timestamp") else { return }
        signed["meta"] = ["snapshot.json": ["version": 1, "hashes": ["blake2b": "00"]]]
        try repository.serve(.object(signed), as: "timestamp")
        #expect(throws: TUFTrustError.of(.mixAndMatch)) { try TrustingClient.refreshed(repository) }
    }

    @Test("a snapshot that the timestamp key signed too is no timestamp")
    func wrongType() throws {
        var repository = try RepositorySimulator()
        repository.meta = ["snapshot": MetaFile(version: 1)]
        repository.signers["snapshot"] = [TestKey("snapshot"), TestKey("timestamp")]
        try repository.publish("snapshot")
        var client = try TrustingClient(repository)
        #expect(throws: TUFTrustError.of(.wrongType)) {
            try client.trusted.updateTimestamp(repository.current("snapshot"))
        }
    }

    @Test("a role that the snapshot does not know is refused")
    func unknownRole() throws {
        var repository = try RepositorySimulator()
        repository.delegate(to: "releases")
        try repository.publishTargets("targets")
        var client = try TrustingClient.refreshed(repository)
        #expect(throws: TUFTrustError.of(.missingRole)) { try client.find("x") }
    }

    @Test("endless data: metadata over its limit is refused before it is read")
    func endless() throws {
        let repository = try RepositorySimulator()
        var client = try TrustingClient(repository)
        let spaces = [UInt8](repeating: 0x20, count: 20_000)
        #expect(throws: TUFTrustError.of(.tooLong)) {
            try client.trusted.updateTimestamp(repository.current("timestamp") + spaces)
        }
        let huge = [UInt8](repeating: 0x20, count: 512_001)
        #expect(throws: TUFTrustError.of(.tooLong)) {
            try TrustedMetadata(trustedRoot: huge, time: RepositorySimulator.day)
        }
    }

    @Test("endless data: however long metadata are signed to be, no more than the limit is read")
    func endlessBySignature() throws {
        var repository = try RepositorySimulator()
        guard case .object(var signed) = try repository.signed("timestamp") else { return }
        signed["meta"] = ["snapshot.json": ["version": 1, "length": 50_000_000]]
        try repository.serve(.object(signed), as: "timestamp")
        var client = try TrustingClient(repository)
        _ = try client.trusted.updateTimestamp(repository.current("timestamp"))
        #expect(try client.trusted.snapshotToFetch().limit == TUFLimits().snapshot)
    }

    @Test("endless data: a role that needs few bytes has few")
    func smallRole() throws {
        let repository = try RepositorySimulator()
        var limits = TUFLimits()
        limits.roles["targets"] = 100
        var trusted = try TrustedMetadata(
            trustedRoot: repository.firstRoot,
            time: RepositorySimulator.day,
            limits: limits
        )
        _ = try trusted.updateTimestamp(repository.current("timestamp"))
        _ = try trusted.updateSnapshot(repository.current("snapshot"))
        #expect(try trusted.targetsToFetch().limit <= 100)
        #expect(throws: TUFTrustError.of(.tooLong)) { try trusted.updateTargets(repository.current("targets")) }
    }
}
