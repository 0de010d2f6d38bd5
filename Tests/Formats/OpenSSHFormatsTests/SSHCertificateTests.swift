import ByteCoding
import MusterTestSupport
import OpenSSHFormats
import Testing

@Suite struct SSHCertificateTests {
    private let time = UTCTime(seconds: 1_700_000_000)

    private func template() throws -> TestCertificate {
        var certificate = TestCertificate(try TestKey("subject").ssh, time: time)
        certificate.criticalOptions.append(.value("force-command", "uptime"))
        certificate.extensions = [.flag("permit-pty"), .value("statement@muster", "{}")]
        return certificate
    }

    private func refused(_ change: (inout TestCertificate) throws -> Void) throws -> Bool {
        var certificate = try template()
        try change(&certificate)
        do {
            _ = try certificate.content
            return false
        } catch is SSHFormatError {
            return true
        }
    }

    @Test("a certificate of every kind of key is read as it was written, and its CA's signature fits")
    func roundTrips() throws {
        for synthetic in SyntheticKey.all {
            var template = try template()
            template.publicKey = try synthetic.publicKey
            let certificate = try template.signed
            #expect(certificate.isGenuine)
            #expect(try SSHCertificate(blob: certificate.blob) == certificate)
            #expect(try SSHCertificate(line: certificate.line + " comment\n") == certificate)
            #expect(throws: SSHFormatError.self) { try SSHPublicKey(blob: certificate.blob) }
            #expect(throws: SSHFormatError.self) { try SSHPublicKey(line: certificate.line) }
        }
    }

    @Test("what it says can be asked for")
    func says() throws {
        let content = try template().content
        #expect(content.forceCommand == "uptime")
        #expect(content.sourceAddresses?.map(\.description) == ["127.0.0.1/32"])
        #expect(content.extension("statement@muster")?.text == "{}")
        #expect(content.extension("permit-pty")?.data == [])
        #expect(content.extension("permit-user-rc") == nil)
        #expect(content.names("deploy"))
        #expect(!content.names("deplo"))
    }

    @Test("it is good from its first second until before its last")
    func validity() throws {
        let content = try template().content
        #expect(!content.isValid(at: time.adding(seconds: -61)))
        #expect(content.isValid(at: time.adding(seconds: -60)))
        #expect(content.isValid(at: time.adding(milliseconds: 3_599_999)))
        #expect(!content.isValid(at: time.adding(seconds: 3600)))
        #expect(!content.isValid(at: UTCTime(seconds: -1)))
    }

    @Test("a list of principals that is empty, too long, or holds a comma, a NUL or one twice is refused")
    func principals() throws {
        for principals in [
            [], [""], ["a,root"], ["a\0"], ["a\nb"], ["a", "a"], [String(repeating: "a", count: 256)],
            (0...256).map { "p\($0)" },
        ] {
            #expect(try refused { $0.principals = principals })
        }
        #expect(try !refused { $0.principals = ["*"] }, "no wildcard for users, only an odd name")
    }

    @Test("a host certificate names hosts, never patterns", arguments: ["*", "*.example.com", "web?", "!web"])
    func hostPatterns(name: String) throws {
        #expect(try refused { ($0.kind, $0.principals) = (.host, [name]) })
        #expect(try !refused { ($0.kind, $0.principals) = (.host, ["web.example.com", "fd7a::1"]) })
    }

    @Test("options out of order, there twice, of odd names or of values that sshd would not take are refused")
    func options() throws {
        let content = try template().content
        func refused(_ critical: [SSHCertificateOption], _ extensions: [SSHCertificateOption]) -> Bool {
            let changed = try? SSHCertificateContent(
                nonce: content.nonce,
                publicKey: content.publicKey,
                serial: 1,
                kind: .user,
                keyID: "",
                principals: ["a"],
                validAfter: 1,
                validBefore: 2,
                criticalOptions: critical,
                extensions: extensions,
                authority: content.authority
            )
            return changed == nil
        }
        #expect(!refused([], [.flag("a"), .flag("b")]))
        #expect(refused([], [.flag("b"), .flag("a")]))
        #expect(refused([], [.flag("a"), .flag("a")]))
        #expect(refused([], [.flag("")]))
        #expect(refused([], [.flag("a\0")]))
        #expect(refused([], [.value("permit-pty", "x")]))
        #expect(refused([.flag("force-command")], []))
        #expect(refused([.value("force-command", "")], []))
        #expect(refused([.value("force-command", "a\0b")], []))
        #expect(refused([SSHCertificateOption(name: "force-command", data: [0, 0, 0, 1, 65, 66])], []))
        #expect(refused([.value("verify-required", "x")], []))
        #expect(refused((0...64).map { .flag("x\($0 + 100)") }, []))
    }

    @Test(
        "source addresses with host bits, host names, zones or odd numbers are refused: sshd would deny every login",
        arguments: [
            "10.0.0.1/8", "localhost", "fe80::1%eth0", "10.0.0.0/33", "127.1", "010.0.0.1", "", "1.2.3.4,", "::1/8",
        ]
    )
    func sourceAddress(text: String) throws {
        #expect(try refused { $0.criticalOptions = [.value("source-address", text)] })
        #expect(
            try !refused { $0.criticalOptions = [.value("source-address", "10.0.0.0/8,fd7a::/32,::1/128,192.0.2.1")] }
        )
    }

    @Test("a nonce of another length, a long or odd key ID and a time that never is are refused")
    func bounds() throws {
        #expect(try refused { $0.keyID = String(repeating: "a", count: 513) })
        #expect(try refused { $0.keyID = "a\u{1B}[31m" })
        #expect(try refused { $0.validBefore = $0.validAfter })
        let blob = try template().signed.blob
        var reader = ByteReader(blob)
        _ = try reader.string(limit: 64)
        var shorter = ByteWriter()
        shorter.string("ssh-ed25519-cert-v01@openssh.com")
        shorter.string([])
        shorter.raw(Array(blob[(reader.offset + 36)...]))
        #expect(throws: SSHFormatError.self) { try SSHCertificate(blob: shorter.bytes) }
    }

    @Test("the signature of another key, or over other bytes, is not genuine")
    func forged() throws {
        let content = try template().content
        #expect(try !TestKey("thief").certify(content).isGenuine)
        var other = try template()
        other.serial = 2
        let moved = try #require(
            SSHCertificate(
                content,
                signedBytes: content.signedBytes,
                signature: try other.signed.signature
            )
        )
        #expect(!moved.isGenuine)
    }

    @Test("whatever a damaged certificate parses to is written as it was read, and is genuine only unchanged")
    func survivesMutation() throws {
        for synthetic in SyntheticKey.all {
            var template = try template()
            template.publicKey = try synthetic.publicKey
            let blob = try template.signed.blob
            Mutations.of(blob, count: 300, limit: 200) { damaged in
                guard let parsed = try? SSHCertificate(blob: damaged) else { return }
                #expect(parsed.blob == damaged)
                #expect(parsed.content.signedBytes == parsed.signedBytes)
                #expect(
                    damaged == blob || !parsed.isGenuine
                        || parsed.signedBytes == blob[..<parsed.signedBytes.count][...].map { $0 }
                )
            }
        }
    }
}
