import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

@testable import MusterAgent

/// What is decided about sshd's configuration and host certificates without an sshd.
@Suite("sshd's configuration")
struct SSHDConfigurationUnitTests {
    private let part = SSHDDropIn(
        userAuthorities: "/s/user-ca.pub",
        revocations: "/s/revoked.krl",
        principalsProgram: "/usr/bin/muster-agent",
        principalsUser: "nobody",
        login: "/s/login.json",
        hostCertificates: ["/s/host-ed25519-cert.pub"]
    )

    private func effective(_ changes: [String: String] = [:]) -> SSHDEffective {
        var values = [
            "trustedusercakeys": "/s/user-ca.pub", "revokedkeys": "/s/revoked.krl", "authorizedprincipalsfile": "none",
            "authorizedprincipalscommand": part.principalsCommand, "authorizedprincipalscommanduser": "nobody",
            "pubkeyauthentication": "yes", "loglevel": "INFO", "hostcertificate": "/s/host-ed25519-cert.pub",
            "casignaturealgorithms": "ssh-ed25519,rsa-sha2-512",
        ]
        values.merge(changes) { $1 }
        return SSHDEffective(values.map { "\($0.key) \($0.value)\n" }.joined())
    }

    @Test("a configuration as it should be has neither danger nor shortfall")
    func right() {
        #expect(effective().danger(part) == nil)
        #expect(effective().shortfall(part, dropIn: "/e/50.conf", configuration: "/e/c") == nil)
    }

    @Test("whatever lets certificates in unchecked is a danger, but only where the CA is trusted")
    func dangers() {
        let changes = [
            ["authorizedprincipalscommand": "none"], ["authorizedprincipalscommand": "/bin/echo %u"],
            ["authorizedprincipalsfile": "/etc/principals"],
        ]
        for change in changes {
            #expect(effective(change).danger(part) != nil)
            let elsewhere = effective(change.merging(["trustedusercakeys": "/other"]) { $1 })
            #expect(elsewhere.danger(part) == nil)
        }
    }

    @Test("whatever keeps certificates from working is said in words")
    func shortfalls() {
        let changes = [
            "trustedusercakeys": "none", "revokedkeys": "none", "authorizedprincipalscommanduser": "root",
            "pubkeyauthentication": "no", "casignaturealgorithms": "rsa-sha2-512", "hostcertificate": "none",
            "loglevel": "QUIET", "pubkeyacceptedalgorithms": "ssh-ed25519",
        ]
        for (keyword, value) in changes {
            let shortfall = effective([keyword: value]).shortfall(part, dropIn: "/e/50.conf", configuration: "/e/c")
            #expect(shortfall != nil, "\(keyword)")
        }
    }

    @Test("a path that sshd would cut or expand is refused")
    func paths() {
        for path in ["/a b/muster-agent", "/a%u/x", "/a\"b", "/a\nPermitRootLogin yes", "/ü"] {
            let other = SSHDDropIn(
                userAuthorities: "/s/user-ca.pub",
                revocations: "/s/revoked.krl",
                principalsProgram: path,
                principalsUser: "nobody",
                login: "/s/login.json",
                hostCertificates: []
            )
            #expect(other.obstacle != nil)
        }
        #expect(part.obstacle == nil)
    }

    @Test("lines in Match blocks are found through inclusions; blocks end with their file")
    func matchBlocks() throws {
        let folder = try TemporaryFolder()
        try folder.write("d/10.conf", Array("Match User git\n  AuthorizedPrincipalsFile /p\n".utf8))
        try folder.write("d/20.conf", Array("RevokedKeys /other\n".utf8))
        let path = try folder.write("c", Array("# x\nInclude \(folder.path)/d/*.conf\nX11Forwarding no\n".utf8))
        let scan = SSHDMatchScan(path)
        #expect(scan.lines.map(\.keyword) == ["authorizedprincipalsfile"])
        #expect(scan.danger(part)?.contains("/d/10.conf line 2") == true)
        let loop = try folder.write("loop", Array("Include \(folder.path)/loop\nMatch all\n  RevokedKeys none\n".utf8))
        #expect(SSHDMatchScan(loop).lines.isEmpty)
    }

    @Test("a host certificate is due at two thirds of its life, and when its CA retires")
    func due() throws {
        let time = UTCTime(seconds: 1_800_000_000)
        var fleet = try FleetSimulator(time: time)
        try fleet.trustSSH()
        let trust = try #require(fleet.sshTrust)
        let key = try TestKey("host").ssh
        var draft = CertificateDraft(key, principals: ["node"], time: time)
        draft.kind = .host
        draft.sourceAddress = nil
        draft.permissions = []
        draft.validAfter = time
        draft.validBefore = time.adding(seconds: 3000)
        let certificate = try draft.signed(by: FleetSimulator.hostAuthority)
        #expect(!HostCertificateRule.isDue(certificate, trust: trust, time: time.adding(seconds: 1999)))
        #expect(HostCertificateRule.isDue(certificate, trust: trust, time: time.adding(seconds: 2000)))
        let other = try draft.signed(by: TestKey("other"))
        #expect(HostCertificateRule.isDue(other, trust: trust, time: time))
        func objection(_ certificate: SSHCertificate, _ time: UTCTime, _ revoked: SSHRevocationList? = nil) -> String? {
            HostCertificateRule.objection(to: certificate, of: key, trust: trust, revoked: revoked, time: time)
        }
        #expect(objection(certificate, time) == nil)
        #expect(objection(certificate, time.adding(seconds: 3000)) != nil)
        #expect(objection(other, time) != nil)
        draft.kind = .user
        #expect(objection(try draft.signed(by: FleetSimulator.hostAuthority), time) != nil)
        var revocations = SSHRevocations()
        revocations.keys = [key]
        #expect(objection(certificate, time, try revocations.list(version: 1, date: time)) != nil)
    }

    @Test("what a node reports of its sshd is read as it was written, and may be missing in every part")
    func report() throws {
        let report = SSHReport(
            sshdVersion: "OpenSSH_9.2p1",
            krlVersion: 7,
            userAuthorities: ["SHA256:a"],
            hostCertificates: [.init(fingerprint: "SHA256:b", serial: 3, validBefore: UTCTime(seconds: 1_800_000_000))],
            hostKeys: ["ssh-ed25519 AAAA"],
            logins: [.init(serial: 9, keyID: "k", user: "root", address: "::1", time: UTCTime(milliseconds: 5))],
            problem: "p"
        )
        #expect(try SSHReport(try JSONFields(report.json)) == report)
        #expect(try SSHReport(try JSONFields([:])) == SSHReport())
    }

    @Test("logins that wait survive a restart, and go when the service has them")
    func waitingLogins() throws {
        var record = SSHLogRecord()
        for number in 1...3 {
            let login = SSHReport.Login(
                serial: Int64(number),
                keyID: "k",
                user: "root",
                address: "::1",
                time: UTCTime(milliseconds: 5)
            )
            let isKept = record.add(login)
            #expect(isKept)
        }
        record.position = SSHLogFile.Position(inode: 5, offset: 9)
        record.cursor = "c"
        #expect(try SSHLogRecord(JSONFields(record.json)) == record)
        #expect(record.waiting.map(\.number) == [1, 2, 3])
    }

    @Test("a program that others may replace is refused for the principals command, as sshd would")
    func pathSafety() throws {
        #expect(PathSafety.objection(to: "/usr/bin/env") == nil)
        #expect(PathSafety.objection(to: "/no/such/file") != nil)
        let folder = try TemporaryFolder()
        let path = try folder.write("program", [1])
        #expect(PathSafety.objection(to: path) != nil, "below /tmp, which everybody may write")
    }
}
