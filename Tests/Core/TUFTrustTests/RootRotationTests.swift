import ByteCoding
import CanonicalJSON
import MusterTestSupport
import TUF
import TUFTrust
import Testing

/// A root: its keys, its threshold, and who signed it.
struct RootCase: Sendable {
    let keys: [Int]
    let threshold: Int
    let signers: [Int]
}

@Suite struct RootRotationTests {
    /// Follows a chain of roots; throws where one is refused.
    private func follow(_ chain: [RootCase]) throws -> Int64 {
        var repository = try RepositorySimulator()
        repository.versions["root"] = 0
        for root in chain {
            repository.keys["root"] = root.keys.map { TestKey("root-\($0)") }
            repository.signers["root"] = root.signers.map { TestKey("root-\($0)") }
            repository.thresholds["root"] = root.threshold
            try repository.publish("root")
        }
        return try TrustingClient.refreshed(repository).trusted.root.version
    }

    @Test(
        "a new root signed by the old and the new threshold is taken",
        arguments: [
            [RootCase(keys: [1], threshold: 1, signers: [1]), RootCase(keys: [2], threshold: 1, signers: [2, 1])],
            [
                RootCase(keys: [1], threshold: 1, signers: [3, 1, 4]),
                RootCase(keys: [2], threshold: 1, signers: [3, 2, 1, 4]),
                RootCase(keys: [2], threshold: 1, signers: [3, 2, 4]),
            ],
            [
                RootCase(keys: [0, 1, 2, 3, 4], threshold: 3, signers: [0, 2, 4]),
                RootCase(keys: [0, 1, 3, 4, 5], threshold: 3, signers: [0, 4, 1]),
            ],
            [
                RootCase(keys: [0, 1, 2, 3, 4], threshold: 3, signers: [0, 2, 4]),
                RootCase(keys: [5, 6, 7, 8, 9], threshold: 3, signers: [0, 2, 4, 5, 6, 7]),
                RootCase(keys: [5, 6, 7, 8, 9], threshold: 3, signers: [5, 6, 7]),
            ],
            [
                RootCase(keys: [1, 2, 3], threshold: 2, signers: [1, 2]),
                RootCase(keys: [1, 2, 3], threshold: 1, signers: [1, 2]),
                RootCase(keys: [1, 2, 3], threshold: 1, signers: [1]),
            ],
        ]
    )
    func accepted(chain: [RootCase]) throws {
        #expect(try follow(chain) == Int64(chain.count))
    }

    @Test(
        "root rotation with the old or the new threshold missing is refused",
        arguments: [
            [RootCase(keys: [1], threshold: 1, signers: [1]), RootCase(keys: [2], threshold: 1, signers: [2, 3, 4])],
            [RootCase(keys: [1], threshold: 1, signers: [1]), RootCase(keys: [2], threshold: 1, signers: [1, 3, 4])],
            [
                RootCase(keys: [0, 1, 2, 3, 4], threshold: 3, signers: [0, 2, 4]),
                RootCase(keys: [0, 1, 3, 4, 5], threshold: 3, signers: [0, 2, 4]),
            ],
            [
                RootCase(keys: [0, 1, 2, 3, 4], threshold: 3, signers: [0, 2, 4]),
                RootCase(keys: [0, 1, 3, 4, 5], threshold: 3, signers: [0, 4, 5]),
            ],
            [
                RootCase(keys: [1, 2, 3], threshold: 1, signers: [1]),
                RootCase(keys: [1, 2, 3], threshold: 2, signers: [2]),
            ],
            [
                RootCase(keys: [1, 2, 3], threshold: 2, signers: [1, 2]),
                RootCase(keys: [1, 2, 3], threshold: 1, signers: [1]),
            ],
        ]
    )
    func refused(chain: [RootCase]) throws {
        #expect(throws: TUFTrustError.of(.threshold)) { try follow(chain) }
    }

    @Test("an initial root that its own keys did not sign is refused")
    func unsignedInitialRoot() throws {
        var repository = try RepositorySimulator()
        repository.signers["root"] = [TestKey("stranger")]
        try repository.republish("root")
        #expect(throws: TUFTrustError.of(.threshold)) { try TrustingClient(repository) }
    }

    @Test("rollback of root: an older root, the same root, or a root that skips a version is refused")
    func wrongVersion() throws {
        var repository = try RepositorySimulator()
        try repository.publish("root", "root", "root")
        var client = try TrustingClient(repository)
        try client.trusted.updateRoot(repository.files["metadata/2.root.json"] ?? [])
        for (file, code) in [("1", TUFTrustError.Code.rollback), ("2", .rollback), ("4", .mixAndMatch)] {
            #expect(throws: TUFTrustError.of(code)) {
                try client.trusted.updateRoot(repository.files["metadata/\(file).root.json"] ?? [])
            }
            #expect(client.trusted.root.version == 2)
        }
    }

    @Test("an expired root in the middle of the chain still leads to the next")
    func expiredInTheMiddle() throws {
        var repository = try RepositorySimulator()
        repository.expires["root"] = RepositorySimulator.day.adding(seconds: -1)
        try repository.republish("root")
        try repository.publish("root")
        repository.expires["root"] = nil
        try repository.publish("root")
        #expect(try TrustingClient.refreshed(repository).trusted.root.version == 3)
    }

    @Test("another role's metadata is not a root, whoever signed it")
    func wrongType() throws {
        var repository = try RepositorySimulator()
        repository.signers["targets"] = repository.keys["root"]
        try repository.republish("targets")
        var client = try TrustingClient(repository)
        #expect(throws: TUFTrustError.of(.wrongType)) { try client.trusted.updateRoot(repository.current("targets")) }
    }

    @Test("unknown members are kept when a root is verified")
    func unknownMembers() throws {
        var repository = try RepositorySimulator()
        repository.versions["root"] = 2
        guard case .object(var signed) = try repository.signed("root") else { return }
        signed["x-custom"] = ["a": [1, .null, true], "b": "grün"]
        try repository.serve(.object(signed), as: "root")
        #expect(try TrustingClient.refreshed(repository).trusted.root.version == 2)
    }

    @Test("only TUF 1.x is read", arguments: ["2.0.0", "1", "0.9", "1.0.0.0", "1.x", "", "1..0"])
    func specVersion(text: String) throws {
        var repository = try RepositorySimulator()
        guard case .object(var signed) = try repository.signed("timestamp") else { return }
        signed["spec_version"] = .string(text)
        try repository.serve(.object(signed), as: "timestamp")
        #expect(throws: TUFTrustError.of(.specVersion)) { try TrustingClient.refreshed(repository) }
        signed["spec_version"] = "1.0"
        try repository.serve(.object(signed), as: "timestamp")
        _ = try TrustingClient.refreshed(repository)
    }
}
