import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust
import OpenSSHFormats
import Testing

/// A run over SSH opens a door for exactly one line; every other way in which a thief of the CA would use its statement.
@Suite struct SSHRunLoginTests {
    private let fixture: RunFixture

    init() throws {
        fixture = try RunFixture()
    }

    private func body(
        _ command: String = "echo",
        _ arguments: [String: [String]] = ["words": ["a b"]],
        seconds: Int64 = 120
    ) throws -> RunBody {
        var body = try fixture.fleet.run(command, arguments, on: [fixture.node])
        body.ssh = RunBody.OverSSH(publicKey: try TestKey("ephemeral").ssh, seconds: seconds)
        return body
    }

    /// A certificate as the service makes it for a run.
    private func certificate(_ signed: SignedStatement, seconds: Int64 = 120) throws -> TestCertificate {
        var certificate = TestCertificate(try TestKey("ephemeral").ssh, time: fixture.time, seconds: seconds)
        certificate.principals = ["root"]
        if case .run(let body) = signed.statement.body,
            let line = try? body.resolve().shellLine(run: signed.statement.id)
        {
            certificate.criticalOptions.append(.value(SSHCertificateOption.forceCommand, line))
        }
        certificate.carry(signed)
        return certificate
    }

    private func certificate(_ body: RunBody? = nil, by signers: [String] = ["ada"]) throws -> TestCertificate {
        try certificate(fixture.fleet.statement(.run(try body ?? self.body()), by: signers))
    }

    private func verify(
        _ certificate: TestCertificate,
        user: String = "root",
        node: NodeFacts? = nil,
        policy: FleetPolicy? = nil,
        at later: Int64 = 0
    ) throws -> SSHLoginVerdict {
        try fixture.login(with: try certificate.signed.blob, as: user, node: node, policy: policy, at: later)
    }

    private func code(_ certificate: TestCertificate, at later: Int64 = 0) throws -> TrustRefusal.Code? {
        try verify(certificate, at: later).refusal?.code
    }

    @Test("a certificate that forces exactly the line that everybody signed lets its holder in")
    func allowed() throws {
        let verdict = try verify(try certificate())
        #expect(verdict.principal == AccountName("root"))
        guard case .allowed(_, let grant) = verdict.outcome else {
            Issue.record("\(verdict)")
            return
        }
        #expect(grant.rule == "owner-runs")
        #expect(grant.extensions.isEmpty)
        #expect(grant.forceCommand?.contains("'/bin/echo' 'a b'") == true)
    }

    @Test("a run that is for agents opens no door, and a login runs nothing as a run")
    func forAgents() throws {
        var body = try body()
        body.ssh = nil
        #expect(try code(certificate(body)) == .overSSH)
        let login = try fixture.fleet.statement(fixture.fleet.login("root", command: "/bin/echo hello"))
        #expect(try fixture.verify(login).refusal?.code == .otherType)
    }

    @Test("another command, a changed one, none, or one that only looks alike")
    func otherCommand() throws {
        let honest = try certificate()
        let line = try #require(try honest.content.forceCommand)
        let id = try #require(StatementID(random: [UInt8](repeating: 3, count: 16)))
        var others = ["/bin/sh", line + " ", " " + line, line + "; id", "uptime"]
        others.append(try #require(try body().resolve().shellLine(run: id)))
        others.append(try #require(try body("echo", ["words": ["a c"]]).resolve().shellLine(run: id)))
        let bytes = Array(line.utf8)
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 1
            others.append(String(decoding: altered, as: UTF8.self))
            altered.remove(at: index)
            others.append(String(decoding: altered, as: UTF8.self))
        }
        for other in others {
            var changed = honest
            changed.criticalOptions[1] = .value(SSHCertificateOption.forceCommand, other)
            #expect(try code(changed) == .otherCommand, "\(other)")
        }
        var none = honest
        none.criticalOptions.remove(at: 1)
        #expect(try code(none) == .otherCommand)
        var moved = honest
        moved.criticalOptions.remove(at: 1)
        moved.extensions.append(.value(SSHCertificateOption.forceCommand, line))
        #expect(try code(moved) != nil)
    }

    @Test("any permission at all: a terminal, forwarding, rc files, or what nobody knows")
    func extensions() throws {
        for name in SSHCertificateOption.permissions + ["no-touch-required", "thief@example.com"] {
            var certificate = try certificate()
            certificate.extensions.append(.flag(name))
            #expect(try code(certificate) == .extensionNotAllowed, "\(name)")
        }
        var critical = try certificate()
        critical.criticalOptions.append(.flag("thief@example.com"))
        #expect(try code(critical) == .extensionNotAllowed)
    }

    @Test("from anywhere: a certificate without source address")
    func sourceAddressMissing() throws {
        var certificate = try certificate()
        certificate.criticalOptions.removeFirst()
        #expect(try code(certificate) == .sourceAddressMissing)
    }

    @Test("another key, another account, or another account besides")
    func otherKeyAndAccount() throws {
        var thief = try certificate()
        thief.publicKey = try TestKey("thief").ssh
        #expect(try code(thief) == .otherKey)
        var other = try certificate()
        other.principals = ["root", "daemon"]
        #expect(try code(other) == .otherAccount)
        other.principals = ["daemon"]
        #expect(try verify(other, user: "daemon").refusal?.code == .otherAccount)
        #expect(try verify(certificate(), user: "daemon").refusal?.code == .otherAccount)
    }

    @Test("its time: for as many seconds as were signed, and not beyond its statement")
    func times() throws {
        let signed = try fixture.fleet.statement(.run(body()), lifetime: 600)
        #expect(try code(certificate(signed), at: 119) == nil)
        #expect(try code(certificate(signed), at: 120) == .expired)
        #expect(try code(certificate(signed, seconds: 121)) == .validityTooLong)
        let short = try fixture.fleet.statement(.run(body()), lifetime: 100)
        #expect(try code(certificate(short, seconds: 100)) == nil)
        #expect(try code(certificate(short, seconds: 101)) == .validityTooLong)
        let old = try fixture.fleet.statement(.run(body()), issued: fixture.time.adding(seconds: -90_000))
        #expect(try code(certificate(old)) == .expired)
        let endless = try fixture.fleet.statement(.run(body()), lifetime: RunBody.statementLifetime + 1)
        #expect(try code(certificate(endless)) == .lifetimeTooLong)
    }

    @Test("before its time it opens nothing")
    func tooEarly() throws {
        var body = try body(seconds: 600)
        body.notBefore = fixture.time.adding(seconds: 300)
        let signed = try fixture.fleet.statement(.run(body))
        let certificate = try certificate(signed, seconds: 600)
        #expect(try code(certificate, at: 299) == .tooEarly)
        #expect(try code(certificate, at: 300) == nil)
    }

    @Test("approvals missing, nobody's signature, a signature of another type, another fleet")
    func signatures() throws {
        let restart = try body("restart-web", ["unit": ["nginx"]])
        #expect(try code(certificate(restart, by: ["ben", "cat"])) == nil)
        #expect(try code(certificate(restart, by: ["ben"])) == .approvalsMissing)
        #expect(try code(certificate(restart, by: ["ben", "ben"])) == .approvalsMissing)
        #expect(try code(certificate(restart, by: ["eve"])) == .requesterSignatureMissing)
        var unsigned = try fixture.fleet.statement(.run(restart))
        let ada = FleetSimulator.operatorKey("ada")
        unsigned.signatures = [try ada.sshSignature(of: unsigned.signedBytes, namespace: "ssh-certificate@muster")]
        #expect(try code(certificate(unsigned)) == .requesterSignatureMissing)
        let fleet = try #require(FleetID(digest: [UInt8](repeating: 9, count: 32)))
        #expect(try code(certificate(fixture.fleet.statement(.run(restart), fleet: fleet))) == .otherFleet)
    }

    @Test("another node, and a node that the rule does not mean")
    func otherNode() throws {
        let restart = try certificate(body("restart-web", ["unit": ["nginx"]]), by: ["ben", "cat"])
        let elsewhere = NodeFacts(id: fixture.other, tags: try fixture.facts.tags)
        #expect(try verify(restart, node: elsewhere).refusal?.code == .notSelected)
        let untagged = NodeFacts(id: fixture.node, tags: [])
        #expect(try verify(restart, node: untagged).refusal?.code == .notAllowed)
    }

    @Test("a definition that is another in this node's policy, and arguments that it does not take")
    func definition() throws {
        let signed = try certificate()
        var fixture = fixture
        guard case .object(var definition) = FleetSimulator.echo else { return }
        definition["timeout_seconds"] = 59
        try fixture.fleet.define("echo", .object(definition))
        #expect(try verify(signed, policy: fixture.policy).refusal?.code == .definitionChanged)
        #expect(try code(certificate(body("echo", ["words": ["a;b"]]))) == .argumentNotAllowed)
    }

    @Test("a command that takes secrets goes over SSH for nobody")
    func secrets() throws {
        var body = try fixture.fleet.run(
            "set-password",
            ["user": ["web"]],
            on: [fixture.node],
            sealed: ["password": [fixture.node: [UInt8](repeating: 1, count: 80)]]
        )
        body.ssh = RunBody.OverSSH(publicKey: try TestKey("ephemeral").ssh, seconds: 120)
        #expect(try code(certificate(body)) == .argumentNotAllowed)
    }

    @Test("a statement altered by a byte and certified again by the stolen CA is refused wherever the byte is")
    func altered() throws {
        let signed = try fixture.fleet.statement(.run(body()))
        let bytes = signed.json.canonicalBytes
        var certificate = try certificate(signed)
        var read = 0
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 1 << UInt8(index % 7)
            certificate.extensions = [.value("statement@muster", altered)]
            let verdict = try verify(certificate)
            #expect(!verdict.isAllowed, "byte \(index): \(verdict)")
            if verdict.statement != nil { read += 1 }
        }
        #expect(read > 100)
    }
}
