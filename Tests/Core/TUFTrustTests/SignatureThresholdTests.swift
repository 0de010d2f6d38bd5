import ByteCoding
import CanonicalJSON
import MusterTestSupport
import TUF
import TUFTrust
import Testing

@Suite struct SignatureThresholdTests {
    private let keys = [TestKey("a"), TestKey("b"), TestKey("c")]
    private var named: [String: TUFKey] { Dictionary(uniqueKeysWithValues: keys.map { ($0.tuf.id, $0.tuf) }) }

    private func verify(_ envelope: SignedEnvelope, _ keys: [String: TUFKey], _ threshold: Int) throws(TUFTrustError) {
        try TUFSignatureThreshold.verify(envelope, keys: keys, threshold: threshold, what: "document")
    }

    @Test("two of three keys meet a threshold of two, and not of three")
    func enough() throws {
        let envelope = try RepositorySimulator.sign(["a": 1], Array(keys.prefix(2)))
        try verify(envelope, named, 2)
        #expect(throws: TUFTrustError.of(.threshold)) { try verify(envelope, named, 3) }
    }

    @Test("arbitrary metadata: a stranger's signature counts for nothing")
    func stranger() throws {
        let envelope = try RepositorySimulator.sign(["a": 1], [TestKey("stranger")])
        #expect(throws: TUFTrustError.of(.threshold)) { try verify(envelope, named, 1) }
    }

    @Test("a bad extra signature does no harm once the threshold is met")
    func badExtra() throws {
        let envelope = try RepositorySimulator.sign(["a": 1], [keys[0]])
            .adding(TUFSignature(keyID: keys[1].tuf.id, signature: []))
            .adding(TUFSignature(keyID: "unknown", signature: [1, 2, 3]))
        try verify(envelope, named, 1)
        #expect(throws: TUFTrustError.of(.threshold)) { try verify(envelope, named, 2) }
    }

    @Test("duplicate keys: one key under several ids counts once")
    func duplicateKeys() throws {
        let unsigned = try SignedEnvelope(signed: ["a": 1])
        var ids: [String: TUFKey] = [:]
        for index in 0..<10 { ids["id-\(index)"] = keys[0].tuf }
        let signatures = ids.keys.map { TUFSignature(keyID: $0, signature: keys[0].sign(unsigned.canonicalBytes)) }
        let envelope = try SignedEnvelope(signed: ["a": 1], signatures: signatures)
        try verify(envelope, ids, 1)
        #expect(throws: TUFTrustError.of(.threshold)) { try verify(envelope, ids, 2) }
    }

    @Test("duplicate signatures: a key id that signs twice makes the envelope malformed")
    func duplicateSignatures() throws {
        let signature = keys[0].sign(try SignedEnvelope(signed: ["a": 1]))
        #expect(throws: JSONError.self) {
            try SignedEnvelope(signed: ["a": 1], signatures: [signature, signature])
        }
    }

    @Test("threshold 0 is never met, and metadata that says so is malformed")
    func thresholdZero() throws {
        let envelope = try RepositorySimulator.sign(["a": 1], keys)
        #expect(throws: TUFTrustError.of(.threshold)) { try verify(envelope, named, 0) }
        #expect(throws: TUFTrustError.of(.threshold)) { try verify(envelope, named, -1) }
        var repository = try RepositorySimulator()
        repository.thresholds["timestamp"] = 0
        #expect(throws: JSONError.self) { try repository.publish("root") }
    }

    @Test("a signature over other bytes counts for nothing", arguments: [0, 5, 63])
    func alteredSignature(position: Int) throws {
        let unsigned = try SignedEnvelope(signed: ["a": 1])
        var bytes = keys[0].sign(unsigned.canonicalBytes)
        bytes[position] ^= 1
        let envelope = try unsigned.adding(TUFSignature(keyID: keys[0].tuf.id, signature: bytes))
        #expect(throws: TUFTrustError.of(.threshold)) { try verify(envelope, named, 1) }
    }

    @Test(
        "an unknown or downgraded scheme verifies nothing",
        arguments: [
            ("ed25519", "ed25519ph"), ("ed25519", "none"), ("rsa", "rsa-pkcs1v15-sha256"), ("rsa", "ed25519"),
            ("ed448", "ed25519"), ("ecdsa", "ecdsa-sha1"),
        ]
    )
    func unknownScheme(type: String, scheme: String) throws {
        let json: JSONValue = [
            "keytype": .string(type), "scheme": .string(scheme),
            "keyval": ["public": .string(Hex.encode(keys[0].publicKey))],
        ]
        let key = try TUFKey(try JSONFields(json))
        let envelope = try RepositorySimulator.sign(["a": 1], [keys[0]])
        #expect(throws: TUFTrustError.of(.threshold)) { try verify(envelope, [keys[0].tuf.id: key], 1) }
    }
}
