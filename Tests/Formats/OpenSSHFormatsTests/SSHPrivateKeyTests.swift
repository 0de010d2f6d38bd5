import ByteCoding
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct SSHPrivateKeyTests {
    private func additions() throws -> [SSHAgentAddition] {
        let key = try TestKey("ephemeral").sshPrivate
        let certificate = try TestCertificate(key.publicKey, time: UTCTime(seconds: 1_700_000_000)).signed
        return [
            try SSHAgentAddition(key: key, comment: "plain", lifetime: nil),
            try SSHAgentAddition(key: key, comment: "hour", lifetime: 3600),
            try SSHAgentAddition(key: key, certificate: certificate, comment: "certified", lifetime: 60),
            try SSHAgentAddition(key: key, certificate: certificate, comment: "", lifetime: nil, confirm: true),
            try SSHAgentAddition(key: key, certificate: certificate, comment: "both", lifetime: 1, confirm: true),
        ]
    }

    @Test("additions to an agent are read as they were written; only those with constraints say so")
    func additionsRoundTrip() throws {
        for addition in try additions() {
            let payload = SSHAgentRequest.add(addition).payload
            #expect(payload[0] == (addition.lifetime != nil || addition.confirm ? 25 : 17))
            #expect(try SSHAgentRequest(payload: payload) == .add(addition))
        }
        let removal = SSHAgentRequest.remove(blob: [1, 2, 3])
        #expect(try SSHAgentRequest(payload: removal.payload) == removal)
        #expect(try SSHAgentReply(payload: [6]) == .success)
    }

    @Test("a certificate for another key, a lifetime of 0 and a secret half that does not belong are refused")
    func refuses() throws {
        let key = try TestKey("ephemeral").sshPrivate
        let other = try TestCertificate(try TestKey("other").ssh, time: UTCTime(seconds: 1_700_000_000)).signed
        #expect(throws: SSHFormatError.self) {
            try SSHAgentAddition(key: key, certificate: other, comment: "", lifetime: 1)
        }
        #expect(throws: SSHFormatError.self) { try SSHAgentAddition(key: key, comment: "", lifetime: 0) }
        #expect(throws: SSHFormatError.self) { try SSHPrivateKey(seed: [1, 2], publicKey: TestKey("a").publicKey) }
    }

    @Test("a secret is never printed, and gone once wiped")
    func neverPrinted() throws {
        var key = try TestKey("ephemeral").sshPrivate
        var printed = ""
        dump(key, to: &printed)
        printed += "\(key) \(String(reflecting: key))"
        #expect(!printed.contains("\(key.secret[0]), \(key.secret[1])"))
        #expect(!printed.contains(String(describing: key.secret[0]) + "\n"))
        key.wipe()
        #expect(key.secret.allSatisfy { $0 == 0 })
    }

    @Test("whatever a damaged addition or key file parses to is written as it was read")
    func survivesMutation() throws {
        for addition in try additions() {
            Mutations.of(SSHAgentRequest.add(addition).payload) { bytes in
                if let parsed = try? SSHAgentRequest(payload: bytes) { #expect(parsed.payload == bytes) }
            }
        }
        let file = try SSHPrivateKeyFile(key: try TestKey("ephemeral").sshPrivate, comment: "me", check: 7)
        #expect(try SSHPrivateKeyFile(text: file.text) == file)
        Mutations.of(file.text, count: 2000) { bytes in
            if let parsed = try? SSHPrivateKeyFile(text: bytes) { #expect(parsed.text == bytes) }
        }
    }
}
