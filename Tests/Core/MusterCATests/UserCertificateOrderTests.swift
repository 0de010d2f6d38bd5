import ByteCoding
import CanonicalJSON
import MusterCA
import MusterModel
import MusterPolicy
import MusterTestSupport
import MusterTrust
import OpenSSHFormats
import SignatureVerification
import Testing

@Suite struct UserCertificateOrderTests {
    private let time = UTCTime(seconds: 1_700_000_000)
    private let fleet: FleetSimulator
    private let policy: FleetPolicy

    init() throws {
        fleet = try FleetSimulator(time: time)
        policy = try FleetPolicy(JSONFields(fleet.policyDocument))
    }

    private func order(_ statement: SignedStatement) throws -> UserCertificateOrder {
        let facts = NodeFacts(id: NodeID("n1"), tags: [try #require(NodeTag("web"))])
        let verdict = StatementVerifier.verify(statement, policy: policy, fleet: fleet.fleet, time: time, node: facts)
        let request = PolicyRequest(statement.statement, signers: Set(verdict.signers.map(\.name)), node: facts)
        return UserCertificateOrder(
            statement: statement,
            grant: try #require(policy.loginGrants(request, time: time).first),
            keyExpiries: verdict.signers.compactMap { policy.owner(of: $0.key)?.key.expires },
            origin: UserCertificateOrder.Origin(
                name: "laptop.example.ts.net",
                addresses: ["100.64.0.7", "fd7a:115c:a1e0::7"],
                keyExpires: nil
            ),
            targets: [OpenSSHVersion(9, 2)]
        )
    }

    private func stamp(_ serial: UInt64 = 17) throws -> CertificateStamp {
        CertificateStamp(
            serial: serial,
            nonce: [UInt8](repeating: 5, count: 32),
            time: time.adding(milliseconds: 400),
            authority: try TestKey("user-ca").ssh
        )
    }

    private func code<Value>(_ body: () throws -> Value) -> CertificateRefusal.Code? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? CertificateRefusal)?.code
        }
    }

    @Test("a certificate says who, from which node, for which statement, from where, for how long, with what")
    func certificate() throws {
        let statement = try fleet.statement(fleet.login(seconds: 600))
        let unsigned = try self.order(statement).certificate(stamp())
        let content = unsigned.content
        #expect(content.keyID == "ada/laptop.example.ts.net/\(statement.statement.id)")
        #expect(content.principals == ["deploy"])
        #expect(content.serial == 17)
        #expect(content.kind == .user)
        #expect(content.validAfter == UInt64(time.seconds - 60))
        #expect(content.validBefore == UInt64(time.seconds + 600))
        #expect(content.criticalOptions.map(\.name) == ["source-address"])
        #expect(content.criticalOption("source-address")?.text == "100.64.0.7/32,fd7a:115c:a1e0::7/128")
        #expect(content.extensions.map(\.name) == ["permit-port-forwarding", "permit-pty", "statement@muster"])
        #expect(content.extension("statement@muster")?.value == statement.json.canonicalBytes)
        let certificate = try unsigned.signed(TestKey("user-ca").sign(unsigned.bytes))
        #expect(certificate.isGenuine)
        #expect(try SSHCertificate(blob: certificate.blob) == certificate)
        #expect(code { try unsigned.signed([1, 2, 3]) } == .badSignature)
    }

    @Test("whatever is made here, a node lets in: the two sides cannot drift apart", arguments: 0..<UInt64(60))
    func nodesAgree(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let people = [["ada"], ["ben", "ada"], ["ben", "cat"], ["cat"]].randomElement(using: &generator) ?? ["ada"]
        let user = people == ["cat"] ? "backup" : "deploy"
        let command = people == ["cat"] || Bool.random(using: &generator) ? nil : "uptime"
        let seconds = Int64.random(in: SSHCertificateBody.validity, using: &generator)
        let statement = try fleet.statement(
            fleet.login(user, seconds: seconds, command: command),
            by: people,
            lifetime: Int64.random(in: 60...SSHCertificateBody.statementLifetime, using: &generator)
        )
        var order = try self.order(statement)
        if Bool.random(using: &generator) {
            order.origin.keyExpires = time.adding(seconds: Int64.random(in: 1...5000, using: &generator))
        }
        let unsigned = try order.certificate(stamp())
        let certificate = try unsigned.signed(TestKey("user-ca").sign(unsigned.bytes))
        let verdict = SSHLoginVerifier.verify(
            SSHLoginVerifier.Login(
                certificate: certificate.blob,
                user: user,
                node: NodeFacts(id: NodeID("n1"), tags: [try #require(NodeTag("web"))]),
                authorities: [try TestKey("user-ca").ssh]
            ),
            policy: policy,
            fleet: fleet.fleet,
            time: time
        )
        #expect(verdict.isAllowed, "seed \(seed): \(verdict)")
    }

    @Test("validity is the smallest of what was asked, the rule, the keys' expiries and the statement")
    func smallest() throws {
        func end(
            _ change: (inout UserCertificateOrder) -> Void,
            seconds: Int64 = 600
        ) throws -> (Int64, UserCertificateOrder.Limit) {
            var order = try self.order(try fleet.statement(fleet.login(seconds: seconds), lifetime: 50_000))
            change(&order)
            let (end, limit) = try order.end(at: time)
            return (end.seconds - time.seconds, limit)
        }
        #expect(try end { _ in } == (600, .asked))
        #expect(try end({ _ in }, seconds: 86400) == (43200, .rule))
        #expect(try end { $0.keyExpiries.append(time.adding(seconds: 500)) } == (500, .operatorKey))
        #expect(try end { $0.origin.keyExpires = time.adding(seconds: 400) } == (400, .nodeKey))
        var order = try self.order(try fleet.statement(fleet.login(seconds: 600), lifetime: 300))
        #expect(try order.end(at: time).limit == .statement)
        #expect(code { try order.end(at: time.adding(seconds: 300)) } == .noTimeLeft)
        #expect(code { try order.end(at: time.adding(seconds: 299)) } == nil)
        order.keyExpiries = []
        #expect(code { try order.end(at: time) } == .noTimeLeft)
        order.keyExpiries = [time]
        #expect(code { try order.certificate(stamp()) } == .noTimeLeft)
    }

    @Test("no certificate without an address, and addresses lose their host bits")
    func addresses() throws {
        var order = try self.order(try fleet.statement(fleet.login()))
        order.origin.addresses = []
        #expect(code { try order.certificate(stamp()) } == .noAddress)
        order.origin.addresses = ["laptop"]
        #expect(code { try order.certificate(stamp()) } == .noAddress)
        order.origin.addresses = ["100.64.3.9/10", "::ffff:192.0.2.1", "192.0.2.1"]
        #expect(
            try order.certificate(stamp()).content.criticalOption("source-address")?.text
                == "100.64.0.0/10,192.0.2.1/32"
        )
    }

    @Test("a rule's or the statement's command is forced")
    func command() throws {
        let asked = try self.order(try fleet.statement(fleet.login(command: "uptime"))).certificate(stamp()).content
        #expect(asked.forceCommand == "uptime")
        let ruled = try self.order(try fleet.statement(fleet.login("backup"), by: ["cat"])).certificate(stamp()).content
        #expect(ruled.forceCommand == "/usr/bin/backup")
        #expect(ruled.extensions.map(\.name) == ["statement@muster"])
    }

    @Test("what a target's OpenSSH would mishandle is refused, in words")
    func incompatible() throws {
        var order = try self.order(try fleet.statement(fleet.login()))
        order.targets = [OpenSSHVersion(9, 2), OpenSSHVersion(7, 2)]
        do {
            _ = try order.certificate(stamp())
            Issue.record("made")
        } catch {
            #expect((error as? CertificateRefusal)?.code == .incompatible)
            #expect("\(error)".hasPrefix("OpenSSH 7.2 gives the certificate to no AuthorizedPrincipalsCommand"))
        }
        #expect(code { try order.certificate(stamp(0)) } == .malformed)
    }

    @Test("a statement of another type makes no certificate")
    func otherType() throws {
        let body = StatementBody.revoke(RevokeBody(subject: .keyID("a"), reason: "r"))
        let order = try self.order(try fleet.statement(fleet.login()))
        let other = UserCertificateOrder(
            statement: try fleet.statement(body),
            grant: order.grant,
            keyExpiries: order.keyExpiries,
            origin: order.origin
        )
        #expect(code { try other.certificate(stamp()) } == .malformed)
    }

    @Test("a statement that selects thousands of nodes makes a certificate that is too long, which is said")
    func tooLong() throws {
        let nodes = try (0..<5000).map { NodeSelector.node(try #require(NodeID("node-\($0)"))) }
        let unsigned = try self.order(try fleet.statement(fleet.login(nodes: nodes))).certificate(stamp())
        #expect(code { try unsigned.signed([UInt8](repeating: 1, count: 64)) } == .malformed)
    }

    @Test("key IDs are read as they were written, and a node's odd name cannot forge another part")
    func keyIDs() throws {
        let ada = try #require(OperatorName("ada@example.com"))
        let statement = try #require(StatementID(random: [UInt8](repeating: 1, count: 16)))
        let odd = CertificateKeyID.user(ada, fromNode: "a/b c\n(serial 1)", statement)
        #expect(odd.description == "ada@example.com/a-b-c--serial-1-/\(statement)")
        #expect(CertificateKeyID(odd.description) == odd)
        #expect(CertificateKeyID.user(ada, fromNode: "", statement).description == "ada@example.com/-/\(statement)")
        let host = CertificateKeyID.host(try #require(NodeID("web-1")))
        #expect(CertificateKeyID(host.description) == host)
        for text in ["", "host", "host/Web", "ada/x", "ada/x/1", "ada//\(statement)", "a/b/c/d"] {
            #expect(CertificateKeyID(text) == nil)
        }
    }
}
