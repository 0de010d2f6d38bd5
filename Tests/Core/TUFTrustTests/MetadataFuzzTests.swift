import CanonicalJSON
import MusterTestSupport
import TUF
import TUFTrust
import Testing

/// Mutated metadata: always an answer, never a crash, and nothing altered is trusted.
@Suite struct MetadataFuzzTests {
    @Test("mutated metadata is refused or means what was signed", arguments: 0..<4)
    func mutated(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var repository = try RepositorySimulator()
        repository.delegate(to: "releases", paths: ["releases/*"])
        repository.add("releases/a", [1], to: "releases")
        try repository.publish("releases")
        try repository.publishTargets("targets")
        let before = try TrustingClient.refreshed(repository)
        for _ in 0..<150 {
            let role = ["timestamp", "snapshot", "targets", "root"].randomElement(using: &random) ?? "root"
            let bytes = random.mutated(repository.current(role))
            var client = try TrustingClient(repository)
            if role == "root" {
                guard let trusted = try? TrustedMetadata(trustedRoot: bytes, time: RepositorySimulator.day) else {
                    continue
                }
                #expect(trusted.root.json == before.trusted.root.json, "seed \(seed)")
                continue
            }
            var altered = repository
            altered.files["metadata/\(before.name(of: role))"] = bytes
            client = try TrustingClient(altered)
            guard (try? client.refresh()) != nil else { continue }
            #expect(client.trusted.timestamp?.json == before.trusted.timestamp?.json, "seed \(seed)")
            #expect(client.trusted.snapshot?.json == before.trusted.snapshot?.json, "seed \(seed)")
            #expect(client.trusted.targets?.json == before.trusted.targets?.json, "seed \(seed)")
        }
    }

    @Test("mutated envelopes, keys made valid again by signing them: parsers are total", arguments: 0..<4)
    func signedNonsense(seed: Int) throws {
        var random = SeededGenerator(seed: 1000 + UInt64(seed))
        let repository = try RepositorySimulator()
        for _ in 0..<150 {
            let role = ["timestamp", "snapshot", "targets", "root"].randomElement(using: &random) ?? "root"
            let signed = try repository.signed(role).canonicalBytes
            guard let value = try? JSONValue.parse(random.mutated(signed), limit: 100_000), case .object = value else {
                continue
            }
            var altered = repository
            try altered.serve(value, as: role)
            if let client = try? TrustingClient.refreshed(altered) { #expect(client.trusted.root.version >= 1) }
        }
    }
}

extension TrustingClient {
    /// The file name that a role's current metadata is served by.
    func name(of role: String) -> String {
        role == "timestamp" ? "timestamp.json" : "\(repository.versions[role] ?? 1).\(role).json"
    }
}
