import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import MusterTrust
import TUF
import TUFTrust
import Testing

@Suite struct ManifestVerifierTests {
    private let fixture: TrustFixture

    init() throws {
        fixture = try TrustFixture()
    }

    private func verify(
        _ bytes: [UInt8],
        keys: [TestKey]? = nil,
        threshold: Int = 1,
        lastSequence: Int64 = 6,
        at later: Int64 = 0
    ) throws -> UpdateManifest {
        let keys = keys ?? [fixture.fleet.manifestKey]
        return try ManifestVerifier.verify(
            bytes,
            keys: Dictionary(uniqueKeysWithValues: keys.map { ($0.tuf.id, $0.tuf) }),
            threshold: threshold,
            fleet: fixture.fleet.fleet,
            node: fixture.node,
            lastSequence: lastSequence,
            time: fixture.time.adding(seconds: later)
        )
    }

    private func manifest(sequence: Int64 = 7) throws -> [UInt8] {
        let signed = try fixture.fleet.statement(fixture.upgrade())
        return try fixture.fleet.manifest(
            for: fixture.node,
            sequence: sequence,
            [fixture.fleet.assignment(TrustFixture.path, signed)]
        )
    }

    @Test("a manifest for this node is read with its work")
    func accepted() throws {
        let manifest = try verify(try manifest())
        #expect(manifest.sequence == 7)
        #expect(manifest.assignments.count == 1)
    }

    @Test("manifest of another node")
    func otherNode() throws {
        let other = try #require(NodeID("n2"))
        let bytes = try fixture.fleet.manifest(for: other, sequence: 7, [])
        #expect(refusal { try verify(bytes) } == .otherNode)
    }

    @Test("replayed manifest: the sequence must rise")
    func replayed() throws {
        let bytes = try manifest()
        #expect(refusal { try verify(bytes, lastSequence: 7) } == .replayed)
        #expect(refusal { try verify(bytes, lastSequence: 8) } == .replayed)
    }

    @Test("a manifest is good for 15 minutes, and none may claim more")
    func expired() throws {
        let bytes = try manifest()
        #expect(refusal { try verify(bytes, at: 899) } == nil)
        #expect(refusal { try verify(bytes, at: 900) } == .expired)
        #expect(refusal { try verify(bytes, at: -301) } == .issuedInFuture)
        let long = try fixture.fleet.manifest(for: fixture.node, sequence: 7, [], lifetime: 901)
        #expect(refusal { try verify(long) } == .lifetimeTooLong)
    }

    @Test("under-threshold: a stolen other key, one key of two, one key twice, threshold 0")
    func underThreshold() throws {
        let bytes = try manifest()
        let one = fixture.fleet.manifestKey
        let two = TestKey("second manifest key")
        #expect(refusal { try verify(bytes, keys: [two]) } == .underThreshold)
        #expect(refusal { try verify(bytes, keys: [one, two], threshold: 2) } == .underThreshold)
        #expect(refusal { try verify(bytes, threshold: 0) } == .underThreshold)
        let stolen = try fixture.fleet.manifest(
            for: fixture.node,
            sequence: 7,
            [],
            signedBy: fixture.fleet.timestampKey
        )
        #expect(refusal { try verify(stolen) } == .underThreshold)
        var envelope = try SignedEnvelope(parsing: bytes, limit: 1_000_000)
        envelope = try envelope.adding(two.sign(envelope))
        #expect(refusal { try verify(envelope.bytes, keys: [one, two], threshold: 2) } == nil)
        #expect(refusal { try verify(envelope.bytes, keys: [one], threshold: 2) } == .underThreshold)
    }

    @Test("manifest of another fleet")
    func otherFleet() throws {
        let other = try #require(FleetID(digest: [UInt8](repeating: 9, count: 32)))
        let manifest = UpdateManifest(
            fleet: other,
            node: fixture.node,
            sequence: 7,
            issued: fixture.time,
            expires: fixture.time.adding(seconds: 60),
            timestampVersion: 1,
            assignments: [],
            tags: []
        )
        var envelope = try SignedEnvelope(signed: manifest.json)
        envelope = try envelope.adding(fixture.fleet.manifestKey.sign(envelope))
        #expect(refusal { try verify(envelope.bytes) } == .otherFleet)
    }

    @Test("other metadata validly signed by the manifest key is no manifest")
    func typeConfusion() throws {
        var envelope = try SignedEnvelope(signed: ["_type": "timestamp", "version": 1])
        envelope = try envelope.adding(fixture.fleet.manifestKey.sign(envelope))
        #expect(refusal { try verify(envelope.bytes) } == .malformed)
    }

    @Test("the role that the trusted targets metadata names counts, and its timestamp")
    func roleOfTrustedTargets() throws {
        var fixture = fixture
        var trusted = try load(fixture.fleet)
        func verify(_ fixture: TrustFixture, _ trusted: TrustedMetadata) throws -> UpdateManifest {
            try ManifestVerifier.verify(
                try fixture.fleet.manifest(for: fixture.node, sequence: 7, []),
                trusted: trusted,
                fleet: fixture.fleet.fleet,
                node: fixture.node,
                lastSequence: 0,
                time: fixture.time
            )
        }
        #expect(refusal { try verify(fixture, trusted) } == nil)
        fixture.fleet.timestampVersion += 1
        #expect(refusal { try verify(fixture, trusted) } == .metadataTooOld)
        try fixture.fleet.publish()
        trusted = try load(fixture.fleet)
        #expect(refusal { try verify(fixture, trusted) } == nil)
        fixture.fleet.manifestKey = TestKey("stolen")
        #expect(refusal { try verify(fixture, trusted) } == .underThreshold)
    }

    @Test("no damaged manifest is accepted")
    func survivesMutation() throws {
        let bytes = try manifest()
        let canonical = try SignedEnvelope(parsing: bytes, limit: 1_000_000).canonicalBytes
        Mutations.of(bytes) { changed in
            guard (try? verify(changed)) != nil else { return }
            #expect((try? SignedEnvelope(parsing: changed, limit: 1_000_000))?.canonicalBytes == canonical)
        }
    }

    private func load(_ fleet: FleetSimulator) throws -> TrustedMetadata {
        func file(_ path: String) throws -> [UInt8] { try #require(fleet.files["metadata/" + path]) }
        var trusted = try TrustedMetadata(trustedRoot: try file("1.root.json"), time: fleet.time)
        _ = try trusted.updateTimestamp(try file("timestamp.json"), from: .repository)
        _ = try trusted.updateSnapshot(try file("1.snapshot.json"), from: .repository)
        try trusted.updateTargets(try file("1.targets.json"))
        return trusted
    }
}
