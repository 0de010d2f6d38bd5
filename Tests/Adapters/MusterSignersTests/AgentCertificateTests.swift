import ByteCoding
import MusterSigners
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct AgentCertificateTests {
    @Test(
        "a real ssh-agent takes a key with its certificate for a time, lists both, and forgets them when told or in time"
    )
    func holdsCertificates() async throws {
        try await OpenSSHFixture().withAgent { socket in
            let agent = SSHAgent(path: socket)
            let key = try TestKey("ephemeral").sshPrivate
            let certificate = try TestCertificate(key.publicKey, time: UTCTime(seconds: 1_700_000_000)).signed
            let plain = try SSHAgentAddition(key: key, comment: "plain", lifetime: 600)
            let certified = try SSHAgentAddition(key: key, certificate: certificate, comment: "muster", lifetime: 600)
            try await agent.add(plain)
            try await agent.add(certified)
            let held = try await agent.keys()
            #expect(held.compactMap(\.publicKey) == [key.publicKey])
            #expect(held.compactMap(\.certificate) == [certificate])
            let signature = try await agent.sign([1, 2, 3], key: key.publicKey)
            #expect(signature.verify(data: [1, 2, 3], key: key.publicKey, requireTouch: true) == .valid)
            #expect(try await agent.remove(blob: certificate.blob))
            #expect(try await !agent.remove(blob: certificate.blob))
            #expect(try await agent.keys().map(\.blob) == [key.publicKey.blob])
            let short = try SSHAgentAddition(key: key, certificate: certificate, comment: "short", lifetime: 1)
            try await agent.add(short)
            try await Task.sleep(for: .milliseconds(2500))
            #expect(try await agent.keys().map(\.blob) == [key.publicKey.blob])
        }
    }
}
