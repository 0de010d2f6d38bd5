import ByteCoding
import CanonicalJSON
import MusterTestSupport
import SignatureVerification
import TUF
import TUFTrust
import Testing

/// What python-tuf wrote (`Tests/Vectors/tuf/README.md`) is trusted here, and not once it is altered.
@Suite struct PythonTUFVectorTests {
    private static let day = UTCTime(seconds: 1_900_000_000)

    private func file(_ name: String) throws -> [UInt8] { try TestVectors.read("tuf/metadata/" + name) }

    private func trusted() throws -> TrustedMetadata {
        var trusted = try TrustedMetadata(trustedRoot: try file("1.root.json"), time: Self.day)
        try trusted.updateRoot(try file("2.root.json"))
        try trusted.checkRootExpiry()
        _ = try trusted.updateTimestamp(try file("timestamp.json"))
        _ = try trusted.updateSnapshot(try file("1.snapshot.json"))
        try trusted.updateTargets(try file("1.targets.json"))
        return trusted
    }

    private func find(_ path: String) throws -> TargetFile? {
        var trusted = try trusted()
        var search = TargetSearch(path)
        while true {
            switch try search.next(&trusted) {
            case .found(let file, _): return file
            case .notFound: return nil
            case .load(let role, let delegator):
                try trusted.updateDelegatedTargets(try file("1.\(role).json"), role: role, delegator: delegator)
            }
        }
    }

    @Test("ed25519, ecdsa and rsa keys, thresholds, rotation, hashes of metadata")
    func chain() throws {
        let trusted = try trusted()
        #expect(trusted.root.version == 2)
        #expect(Set(trusted.root.keys.values.map(\.type)) == ["ed25519", "ecdsa", "rsa"])
        for (id, key) in trusted.root.keys { #expect(key.id == id) }
    }

    @Test("a file with custom data, as it was signed")
    func custom() throws {
        let file = try #require(try find("hello.txt"))
        #expect(file.hashes.match(Array("hello\n".utf8)))
        #expect(file.custom == ["muster": ["a": [1, 2, .null, true], "\u{E9}": "e\u{301}"]])
        #expect(file.custom != ["muster": ["a": [1, 2, .null, true], "\u{E9}": "\u{E9}"]])
    }

    @Test(
        "files behind hash prefixes and hash bins",
        arguments: ["hashed/f", "bins/one", "bins/two", "bins/three", "bins/four"]
    )
    func delegated(path: String) throws {
        #expect(try find(path) != nil)
        #expect(try find(path + "x") == nil)
    }

    @Test("each single byte of the signed root, altered, is noticed or changes nothing that is signed")
    func alteredByte() throws {
        let original = try file("1.root.json")
        let envelope = try SignedEnvelope(parsing: original, limit: 100_000)
        for position in stride(from: 0, to: original.count, by: 7) {
            var bytes = original
            bytes[position] ^= 1
            guard let altered = try? SignedEnvelope(parsing: bytes, limit: 100_000),
                (try? TrustedMetadata(trustedRoot: bytes, time: Self.day)) != nil
            else { continue }
            #expect(altered.canonicalBytes == envelope.canonicalBytes)
        }
    }
}
