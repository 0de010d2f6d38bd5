import Dispatch
import Glibc
import MusterSigners
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import SignatureVerification
import Testing

@Suite struct AgentSignerTests {
    private let fixture: OpenSSHFixture

    init() throws {
        fixture = try OpenSSHFixture()
    }

    @Test("an ed25519 key in a real ssh-agent makes plain Ed25519 signatures")
    func signs() async throws {
        let path = try await fixture.key(["-t", "ed25519"], name: "key")
        let line = String(decoding: try BoundedFile.read(path + ".pub", limit: 10_000), as: UTF8.self)
        guard case .ed25519(let publicKey) = try SSHPublicKey(line: line).material else {
            Issue.record("not an ed25519 key")
            return
        }
        try await fixture.withAgent { socket in
            let agent = SSHAgent(path: socket)
            #expect(try await agent.keys().isEmpty)
            let error = await #expect(throws: SigningError.self) {
                try await AgentSigner(agent: agent, publicKey: publicKey)
            }
            #expect(error?.code == .keyNotFound)
            try await fixture.add(path, to: socket)
            let signer = try await AgentSigner(agent: agent, publicKey: publicKey)
            let signature = try await signer.sign([1, 2, 3])
            #expect(Ed25519.verify(signature: signature, message: [1, 2, 3], publicKey: publicKey))
            #expect(try await agent.keys().map(\.comment) == [Array("key".utf8)])
        }
    }

    @Test("a key that the agent does not hold is refused, and no agent is an error that says so")
    func refusals() async throws {
        try await fixture.withAgent { socket in
            let error = await #expect(throws: SigningError.self) {
                try await SSHAgent(path: socket).sign([1], key: try TestKey("stranger").ssh)
            }
            #expect(error?.code == .refused)
        }
        let error = await #expect(throws: SigningError.self) {
            try await SSHAgent(path: fixture.folder.file("nothing")).keys()
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("SSH_AUTH_SOCK") == true)
    }

    @Test("an agent that never answers does not hold us for ever")
    func slowAgent() async throws {
        let agent = try HostileAgent(folder: fixture.folder, answer: [])
        let error = await #expect(throws: SigningError.self) {
            try await SSHAgent(path: agent.path, listTimeout: .milliseconds(200)).keys()
        }
        #expect(error?.code == .timedOut)
    }

    @Test(
        "an agent that promises too much, or answers nonsense, is refused",
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF, 12], [0, 0, 0, 0], [0, 0, 0, 1, 99], [0, 0, 0, 5, 12, 0xFF, 0xFF, 0xFF, 0xFF],
            [0, 0, 0, 1, 5],
        ] as [[UInt8]]
    )
    func hostileAgent(answer: [UInt8]) async throws {
        let agent = try HostileAgent(folder: fixture.folder, answer: answer)
        let error = await #expect(throws: SigningError.self) {
            try await SSHAgent(path: agent.path, listTimeout: .seconds(60)).keys()
        }
        #expect(error?.code == .malformed || error?.code == .refused)
    }

    @Test("a signature by another key than asked for is refused")
    func lyingAgent() async throws {
        let other = TestKey("other")
        let signature = try #require(SSHKeySignature(algorithm: .ed25519, signature: other.sign([1])))
        let payload = SSHAgentReply.signature(signature).payload
        let agent = try HostileAgent(folder: fixture.folder, answer: [0, 0, 0, UInt8(payload.count)] + payload)
        let error = await #expect(throws: SigningError.self) {
            try await SSHAgent(path: agent.path).sign([1], key: try TestKey("asked").ssh)
        }
        #expect(error?.code == .badSignature)
    }
}

/// A socket that takes any connection and answers with the same bytes, whatever it is asked.
private final class HostileAgent: Sendable {
    let path: String
    private let descriptor: Int32

    init(folder: TemporaryFolder, answer: [UInt8]) throws {
        path = folder.file("hostile.sock")
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { [descriptor] in
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, listen(descriptor, 4) == 0 else { throw SystemError("listen on", path, errno: errno) }
        // A thread of its own: the cooperative pool may be busy with other tests.
        DispatchQueue.global().async { [descriptor] in
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { return }
            _ = answer.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            // Kept open until the client has had enough.
            var byte: UInt8 = 0
            while recv(connection, &byte, 1, 0) > 0 {}
            close(connection)
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }
}
