import ByteCoding
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct SSHAllowedSignersTests {
    private let key: String
    private let time = UTCTime(seconds: 1_700_000_000)

    init() throws {
        key = try TestKey("signer").ssh.line
    }

    @Test("names, namespaces and times are read; comments and empty lines are passed over")
    func reads() throws {
        let text = """
            # who may sign

            ada@example.com,*@ops.example.com namespaces="git,file",valid-after="20230101Z",VALID-BEFORE="20270131235959Z" \(key) laptop
            "ben@example.com"\t\(key)
              cert-authority   cert-authority \(key)

            """
        let signers = try SSHAllowedSigners(text: text)
        #expect(signers.entries.count == 3)
        #expect(signers.entries[0].namespaces == "git,file")
        #expect(signers.entries[0].validAfter == UTCTime("2023-01-01T00:00:00Z"))
        #expect(signers.entries[0].validBefore == UTCTime("2027-01-31T23:59:59Z"))
        #expect(signers.entries[1].principals == "ben@example.com")
        #expect(signers.entries[2].isAuthority)
        #expect(try SSHAllowedSigners(text: signers.text) == signers)
    }

    @Test(
        "lines that could be taken in two ways are refused, with their number",
        arguments: [
            "ada", "ada namespaces=\"a\"", "ada namespaces=a KEY", "ada namespaces=\"a\",namespaces=\"b\" KEY",
            "ada valid-after=\"20230101\" KEY", "ada valid-after=\"20231301Z\" KEY", "ada valid-after=\"2023Z\" KEY",
            "ada valid-after=\"20240101Z\",valid-before=\"20230101Z\" KEY", "ada unknown KEY",
            "ada cert-authority,, KEY",
            "ada namespaces=\"a KEY", "ada ssh-dss AAAA", "\"a b\" KEY", "ada cert-authority=\"yes\" KEY",
            "ada namespaces=\"\" KEY",
        ]
    )
    func refuses(line: String) throws {
        let text = "# first\n" + line.replacing("KEY", with: key) + "\n"
        do {
            _ = try SSHAllowedSigners(text: text)
            Issue.record("accepted")
        } catch {
            #expect(error.reason.hasPrefix("line 2: "), "\(error)")
        }
    }

    @Test("both ends of a validity are included, unlike those of a certificate")
    func validity() throws {
        let key = try TestKey("signer").ssh
        let entry = try SSHAllowedSigners.Entry(principals: "*", publicKey: key, validAfter: time, validBefore: time)
        let signers = SSHAllowedSigners([entry])
        func allowed(_ seconds: Int64) -> Bool {
            signers.decide(key, principal: "a", namespace: "n", time: time.adding(seconds: seconds)).isAllowed
        }
        #expect(!allowed(-1))
        #expect(allowed(0))
        #expect(!allowed(1))
    }

    @Test("a pattern of many stars takes no time that matters")
    func starPattern() throws {
        let stars = String(repeating: "*a", count: 2000)
        let entry = try SSHAllowedSigners.Entry(principals: stars, publicKey: try TestKey("signer").ssh)
        let name = String(repeating: "a", count: 1500) + "b"
        let decision = SSHAllowedSigners([entry]).decide(entry.publicKey, principal: name, namespace: "n", time: time)
        #expect(!decision.isAllowed)
    }

    @Test("whatever a damaged file is read as is read again from what is written")
    func survivesMutation() throws {
        let text = "a@b,!c namespaces=\"x,y*\",valid-before=\"20300101Z\" \(key)\n\"d\" cert-authority \(key) c\n"
        Mutations.of(Array(text.utf8), count: 2000) { bytes in
            guard let signers = try? SSHAllowedSigners(text: String(decoding: bytes, as: UTF8.self)) else { return }
            #expect((try? SSHAllowedSigners(text: signers.text)) == signers)
        }
    }
}
