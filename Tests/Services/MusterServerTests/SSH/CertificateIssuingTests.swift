import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import MusterTrust
import OpenSSHFormats
import Testing

@testable import MusterServer

@Suite("SSH certificates are issued for verified statements only")
struct CertificateIssuingTests {
    @Test("An operator's statement gives a certificate that the node takes, from the operator's addresses only")
    func issued() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let statement = try fleet.statement([.node(node.id)], seconds: 600)
            let before = fleet.now
            let reply = try await fleet.client.requestCertificate(statement)
            #expect(reply.state == .issued)
            let certificate = try SSHCertificate(line: try #require(reply.certificate))
            let content = certificate.content
            #expect(certificate.isGenuine)
            #expect(content.authority == (try FleetSimulator.userAuthority.ssh))
            #expect(content.publicKey == (try TestKey("ephemeral").ssh))
            #expect(content.principals == ["deploy"])
            #expect(content.serial == 1 && reply.serial == 1)
            #expect(content.sourceAddresses?.map(\.description) == ["127.0.0.1/32", "::1/128"])
            #expect(content.keyID.hasPrefix("ada/"))
            #expect(content.keyID.hasSuffix("/" + statement.statement.id.text))
            #expect(Int64(content.validBefore) - before.seconds <= 601)
            #expect(reply.hostAuthorities == [try FleetSimulator.hostAuthority.ssh.line])
            #expect(try fleet.verdict(certificate, on: node.id).isAllowed)
        }
    }

    @Test("The record is on disk with its event, says who, for what and until when, and serials go on after a restart")
    func recorded() async throws {
        let directory = "/tmp/muster-ssh-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        var simulator: FleetSimulator?
        var node: NodeID?
        try await SSHFleet.run(in: directory) { fleet in
            simulator = fleet.fleet
            let alpha = try await fleet.nodes(["alpha"])[0].id
            node = alpha
            _ = try await fleet.certificate(on: alpha)
            _ = try await fleet.certificate(on: alpha)
            #expect(try await fleet.events("ssh-certificate-issued").map(\.actor) == ["ada", "ada"])
        }
        try await SSHFleet.run(in: directory, as: simulator) { fleet in
            let alpha = try #require(node)
            let issued = try await fleet.client.issuedCertificates(session: fleet.session)
            #expect(issued.map(\.serial) == [1, 2])
            #expect(issued[0].operatorName == "ada" && issued[0].principals == ["deploy"])
            #expect(issued[0].targets == ["node:\(alpha)"] && issued[0].revoked == nil)
            // The node that joined from this address is the one that asks.
            #expect(issued[0].node == alpha)
            let next = try await fleet.certificate(on: alpha)
            #expect(next.content.serial > 2)
            let later = try await fleet.client.issuedCertificates(after: 2, session: fleet.session)
            #expect(later.map(\.serial) == [Int64(next.content.serial)])
            let ben = OperatorName("ben")
            #expect(try await fleet.client.issuedCertificates(operatorName: ben, session: fleet.session).isEmpty)
        }
    }

    @Test("The same statement again gives the same certificate, and nothing to anybody else")
    func repeated() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let statement = try fleet.statement([.node(node.id)])
            let first = try await fleet.client.requestCertificate(statement)
            let second = try await fleet.client.requestCertificate(statement)
            #expect(first.certificate == second.certificate && first.serial == second.serial)
            let asked = try await fleet.client.certificate(statement.statement.id, wait: 0)
            #expect(asked.certificate == first.certificate)
            let problem = await problem {
                _ = try await CertificateIssuing(service: fleet.service)
                    .status(statement.statement.id, for: "nEVE", at: fleet.now)
            }
            #expect(problem?.status == 404)
            #expect(try await fleet.client.issuedCertificates(session: fleet.session).count == 1)
        }
    }

    @Test("Without ssh/trust.json there are no certificates, and everything else works")
    func disabled() async throws {
        try await SSHFleet.run(enabled: false) { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            try await node.report(version: "1.0")
            let problem = await problem { _ = try await fleet.client.requestCertificate(try fleet.statement([.every])) }
            #expect(problem?.status == 409 && problem?.code == "no-ssh")
            #expect(problem?.detail.contains("muster ssh enable") == true)
            #expect(await self.problem { _ = try await fleet.client.sshTrust() }?.status == 409)
        }
    }

    enum Attack: String, CaseIterable {
        case stranger = "signed by somebody whom the policy does not know"
        case altered = "altered after it was signed"
        case otherFleet = "for another fleet"
        case expired = "expired"
        case future = "issued in the future"
        case tooLong = "living longer than two days"
        case unsigned = "without a signature"
        case forgedRequester = "asking in another operator's name"
    }

    @Test("A statement gets no certificate when it is", arguments: Attack.allCases)
    func attacked(_ attack: Attack) async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            let good = try fleet.statement([.node(node.id)])
            var bad = good
            switch attack {
            case .stranger: bad = try fleet.statement([.node(node.id)], by: ["eve"])
            case .altered:
                bad = SignedStatement(
                    try fleet.statement([.every], user: "root").statement,
                    signatures: good.signatures
                )
            case .otherFleet:
                let other = try #require(FleetID(digest: [UInt8](repeating: 7, count: 32)))
                bad = try fleet.fleet.statement(good.statement.body, fleet: other, issued: fleet.now)
            case .expired:
                bad = try fleet.statement([.node(node.id)], lifetime: 60, issued: fleet.now.adding(seconds: -120))
            case .future: bad = try fleet.statement([.node(node.id)], issued: fleet.now.adding(seconds: 3600))
            case .tooLong: bad = try fleet.statement([.node(node.id)], lifetime: 3 * 86400)
            case .unsigned: bad.signatures = []
            case .forgedRequester:
                let forged = try fleet.statement([.node(node.id)], by: ["ada", "ben"])
                bad = SignedStatement(forged.statement, signatures: [forged.signatures[1]])
            }
            let problem = await problem { _ = try await fleet.client.requestCertificate(bad) }
            #expect(problem?.status == 422, "\(attack.rawValue): \(String(describing: problem))")
            #expect(try await fleet.client.issuedCertificates(session: fleet.session).isEmpty)
        }
    }

    @Test("What the policy does not allow is refused with its reasons")
    func refused() async throws {
        let rule: JSONValue = [
            "name": "web logins", "allow": ["ssh-certificate"], "who": ["ben"], "nodes": ["tag:web"],
            "users": ["deploy"], "max_seconds": 600, "extensions": ["permit-pty", "permit-port-forwarding"],
        ]
        try await SSHFleet.run(rules: [rule]) { fleet in
            let web = try await fleet.nodes(["web"])[0]
            let database = try await fleet.nodes(["database"], tags: ["db"])[0]
            func refusal(_ statement: SignedStatement) async -> Problem? {
                await problem { _ = try await fleet.client.requestCertificate(statement) }
            }
            let account = await refusal(try fleet.statement([.node(web.id)], by: ["ben"], user: "root"))
            #expect(account?.status == 403 && account?.detail.contains("'root' is not among its 'users'") == true)
            let node = await refusal(try fleet.statement([.node(database.id)], by: ["ben"]))
            #expect(node?.status == 403 && node?.detail.contains("database") == true)
            let person = await refusal(try fleet.statement([.node(web.id)], by: ["cat"]))
            #expect(person?.status == 403)
            let none = await refusal(try fleet.statement([.node(try #require(NodeID("node-gone")))]))
            #expect(none?.status == 403 && none?.detail.contains("no node of the fleet") == true)
            // What is allowed is cut to the rule.
            let reply = try await fleet.client.requestCertificate(
                try fleet.statement([.every], by: ["ben"], seconds: 7200)
            )
            let content = try SSHCertificate(line: try #require(reply.certificate)).content
            #expect(Int64(content.validBefore) <= fleet.now.seconds + 600)
            #expect(content.extension("permit-port-forwarding") != nil)
            #expect(content.extension("permit-agent-forwarding") == nil)
            #expect(reply.detail.contains("the time that the rule grants") && reply.detail.contains("database"))
        }
    }

    @Test("Rules that force different commands on the selected nodes make no certificate")
    func commands() async throws {
        func rule(_ tag: String, _ command: String) -> JSONValue {
            [
                "name": .string("backup \(tag)"), "allow": ["ssh-certificate"], "who": ["ben"],
                "nodes": [.string("tag:" + tag)], "users": ["deploy"], "force_command": .string(command),
            ]
        }
        try await SSHFleet.run(rules: [rule("web", "/usr/bin/a"), rule("db", "/usr/bin/b")]) { fleet in
            let web = try await fleet.nodes(["web"])[0]
            _ = try await fleet.nodes(["database"], tags: ["db"])
            let problem = await problem {
                _ = try await fleet.client.requestCertificate(try fleet.statement([.every], by: ["ben"]))
            }
            #expect(problem?.status == 403 && problem?.detail.contains("force other commands") == true)
            let one = try await fleet.client.requestCertificate(try fleet.statement([.node(web.id)], by: ["ben"]))
            let certificate = try SSHCertificate(line: try #require(one.certificate))
            #expect(certificate.content.forceCommand == "/usr/bin/a")
            #expect(try fleet.verdict(certificate, on: web.id).isAllowed)
        }
    }

    @Test(
        "No certificate outlives the operator's key, the node's key or the statement; none is made where they are over"
    )
    func limits() async throws {
        func shortLives(_ options: inout ServeOptions) { options.nodeKeyLifetime = 86400 }
        try await SSHFleet.run(options: shortLives) { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            // The node that joined from here is the one that asks; its key lives a day.
            fixtureAdvance(fleet, hours: 23)
            let session = try await fleet.fixture.login()
            let reply = try await fleet.client.requestCertificate(
                try fleet.statement([.node(node.id)], seconds: 7200)
            )
            let content = try SSHCertificate(line: try #require(reply.certificate)).content
            #expect(Int64(content.validBefore) <= fleet.now.seconds + 3600)
            #expect(reply.detail.contains("key of the node that asks"))
            let short = try await fleet.client.requestCertificate(
                try fleet.statement([.node(node.id)], seconds: 7200, lifetime: 120)
            )
            let other = try SSHCertificate(line: try #require(short.certificate)).content
            #expect(Int64(other.validBefore) <= fleet.now.seconds + 120)
            #expect(!session.isEmpty)
        }
    }

    @Test("A node whose sshd runs no principals command for certificates is refused in words")
    func oldSSHD() async throws {
        try await SSHFleet.run { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            try await node.report(ssh: SSHReport(sshdVersion: "OpenSSH_7.2p2 Ubuntu-4"), to: fleet.fixture)
            let problem = await problem {
                _ = try await fleet.client.requestCertificate(try fleet.statement([.node(node.id)]))
            }
            #expect(problem?.status == 403 && problem?.detail.contains("OpenSSH 7.2") == true)
        }
    }

    @Test("An expired user CA signs nothing, and says what to do")
    func expiredAuthority() async throws {
        func shortTrust(_ fleet: inout FleetSimulator) throws {
            try fleet.trustSSH(expires: fleet.time.adding(seconds: 86400))
        }
        try await SSHFleet.run(prepare: shortTrust) { fleet in
            let node = try await fleet.nodes(["alpha"])[0]
            fixtureAdvance(fleet, hours: 25)
            let problem = await problem {
                _ = try await fleet.client.requestCertificate(try fleet.statement([.node(node.id)]))
            }
            #expect(problem?.status == 409 && problem?.detail.contains("muster ssh rotate user") == true)
        }
    }

    private func fixtureAdvance(_ fleet: SSHFleet, hours: Int64) {
        fleet.fixture.clock.advance(seconds: hours * 3600)
    }

    /// The problem that a call was answered with; nil where it was not.
    private func problem(_ body: () async throws -> Void) async -> Problem? {
        await SSHFleet.problem(body)
    }
}

extension SSHFleet {
    /// The problem that something was refused with; nil where it was not.
    static func problem(_ body: () async throws -> Void) async -> Problem? {
        do {
            try await body()
            return nil
        } catch ClientError.problem(let problem) {
            return problem
        } catch let problem as Problem {
            return problem
        } catch {
            return Problem(status: 0, code: "other", title: "\(error)", detail: "\(error)")
        }
    }
}
