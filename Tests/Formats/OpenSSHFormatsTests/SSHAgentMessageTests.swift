import ByteCoding
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct SSHAgentMessageTests {
    private func requests() throws -> [SSHAgentRequest] {
        try [.listKeys]
            + SyntheticKey.all.map {
                let key = try $0.publicKey
                let algorithm = try #require(SSHSignatureAlgorithm.allCases.first { $0.keyKind == key.kind })
                return .sign(key: key, data: [1, 2, 3], algorithm: algorithm)
            }
    }

    private func replies() throws -> [SSHAgentReply] {
        let identities = try SyntheticKey.all.map {
            SSHAgentIdentity(blob: try $0.publicKey.blob, comment: Array("ada@laptop".utf8))
        }
        let signatures = try SyntheticKey.all.map {
            SSHAgentReply.signature(try $0.signature([1], namespace: "a").signature)
        }
        return [.failure, .keys([]), .keys(identities)] + signatures
    }

    @Test("every message is read as it was written")
    func roundTrips() throws {
        for request in try requests() { #expect(try SSHAgentRequest(payload: request.payload) == request) }
        for reply in try replies() { #expect(try SSHAgentReply(payload: reply.payload) == reply) }
    }

    @Test("RSA is never asked for SHA-1: its flags are never 0")
    func neverSHA1() {
        for algorithm in SSHSignatureAlgorithm.allCases where algorithm.keyKind == .rsa {
            #expect(algorithm.agentFlags == 2 || algorithm.agentFlags == 4)
        }
    }

    @Test("a key of unknown kind is listed but is no key")
    func keepsUnknownKeys() throws {
        let identity = SSHAgentIdentity(blob: [0, 0, 0, 1, 65], comment: [0xFF])
        guard case .keys(let identities) = try SSHAgentReply(payload: SSHAgentReply.keys([identity]).payload) else {
            Issue.record("not a list of keys")
            return
        }
        #expect(identities == [identity])
        #expect(identities[0].publicKey == nil)
    }

    @Test("a list that promises 2^32-1 keys is refused before anything is allocated")
    func refusesEndlessList() {
        #expect(throws: SSHFormatError.self) { try SSHAgentReply(payload: [12, 0xFF, 0xFF, 0xFF, 0xFF]) }
        #expect(throws: SSHFormatError.self) { try SSHAgentReply(payload: []) }
        #expect(throws: SSHFormatError.self) { try SSHAgentReply(payload: [99]) }
    }

    @Test("what a damaged message parses to is written as it was read")
    func survivesMutation() throws {
        for request in try requests() {
            Mutations.of(request.payload) { bytes in
                if let parsed = try? SSHAgentRequest(payload: bytes) { #expect(parsed.payload == bytes) }
            }
        }
        for reply in try replies() {
            Mutations.of(reply.payload) { bytes in
                if let parsed = try? SSHAgentReply(payload: bytes) { #expect(parsed.payload == bytes) }
            }
        }
    }
}
