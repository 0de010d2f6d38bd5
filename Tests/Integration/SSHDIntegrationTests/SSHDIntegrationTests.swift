import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

/// Every way to log in by certificate, against the real sshd and the real ssh.
@Suite(
    "SSH logins against the real sshd",
    .enabled(if: SSHDFixture.obstacle == nil, "\(SSHDFixture.obstacle ?? "")"),
    .timeLimit(.minutes(60))
)
struct SSHDIntegrationTests {
    @Test("an operator's own certificate opens a session, and sshd is proved to trust the CA")
    func allowed() async throws {
        try await withSSHNode { node in
            let outcome = try await node.logIn(try node.certificate())
            #expect(outcome.isLogin, "\(outcome) \(node.sshd.log)")
            let report = try #require(await node.report())
            #expect(report.problem == "")
            #expect(report.sshdVersion.hasPrefix("OpenSSH_"))
            #expect(report.userAuthorities == [try FleetSimulator.userAuthority.ssh.fingerprint])
            #expect(report.krlVersion == 0)
            #expect(report.hostKeys == [try node.sshd.hostKey.line])
            #expect(report.hostCertificates.map(\.fingerprint) == [try node.sshd.hostKey.fingerprint])
        }
    }

    @Test("a certificate for one account does not log in to another")
    func wrongUser() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            let other = try await node.logIn(certificate, user: "daemon")
            #expect(other.isDenied, "\(other)")
            // The operator asked for an account that no rule of the policy names.
            let statement = try node.statement(try node.body(user: "daemon"))
            let unnamed = try await node.logIn(
                try node.draft(statement).signed(by: FleetSimulator.userAuthority),
                user: "daemon"
            )
            #expect(unnamed.isDenied, "\(unnamed)")
        }
    }

    @Test("a certificate for another node is refused here")
    func wrongNode() async throws {
        try await withSSHNode { node in
            let elsewhere = try #require(NodeID("node-2"))
            let statement = try node.statement(try node.body(nodes: [.node(elsewhere)]))
            let outcome = try await node.logIn(try node.draft(statement).signed(by: FleetSimulator.userAuthority))
            #expect(outcome.isDenied, "\(outcome)")
        }
    }

    @Test("a certificate is refused before its first second and from its last on")
    func time() async throws {
        try await withSSHNode { node in
            let now = WallClock.now()
            let statement = try node.statement(try node.body())
            var expired = try node.draft(statement)
            expired.validAfter = now.adding(seconds: -300)
            expired.validBefore = now.adding(seconds: -1)
            #expect(try await node.logIn(expired.signed(by: FleetSimulator.userAuthority)).isDenied)
            var early = try node.draft(statement)
            early.validAfter = now.adding(seconds: 120)
            early.validBefore = now.adding(seconds: 300)
            #expect(try await node.logIn(early.signed(by: FleetSimulator.userAuthority)).isDenied)
        }
    }

    @Test("a revoked certificate is refused from the moment the list is there, without a reload; others go on")
    func revoked() async throws {
        try await withSSHNode { node in
            let lost = try node.certificate()
            let kept = try node.certificate()
            #expect(try await node.logIn(lost).isLogin)
            let reloads = node.reloads
            try await node.publish { try $0.revoke(serials: [lost.content.serial]) }
            #expect(await node.report()?.krlVersion == 1)
            #expect(node.reloads == reloads)
            let outcome = try await node.logIn(lost)
            #expect(outcome.isDenied, "\(outcome)")
            #expect(node.sshd.log.contains("revoked"))
            #expect(try await node.logIn(kept).isLogin)
        }
    }

    @Test("a certificate is refused from another address than those it names")
    func sourceAddress() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            #expect(try await node.logIn(certificate, from: "127.0.0.1").isLogin)
            let outcome = try await node.logIn(certificate, from: "127.0.0.2")
            #expect(outcome.isDenied, "\(outcome)")
        }
    }

    @Test("a rule's command runs whatever is asked for, and a certificate without it is refused")
    func forceCommand() async throws {
        try await withSSHNode { node in
            try await node.publish { fleet in
                try fleet.allow([
                    "name": "backup", "allow": ["ssh-certificate"], "who": ["cat"], "nodes": ["*"],
                    "users": [.string(SSHDFixture.user)], "force_command": "echo forced",
                ])
                try fleet.publishPolicy()
            }
            let statement = try node.statement(try node.body(), by: ["cat"])
            var forced = try node.draft(statement)
            forced.forceCommand = "echo forced"
            let outcome = try await node.logIn(forced.signed(by: FleetSimulator.userAuthority))
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("forced") && !outcome.output.contains("welcome"), "\(outcome)")
            var free = try node.draft(statement)
            free.forceCommand = nil
            #expect(try await node.logIn(free.signed(by: FleetSimulator.userAuthority)).isDenied)
            free.forceCommand = "echo welcome"
            #expect(try await node.logIn(free.signed(by: FleetSimulator.userAuthority)).isDenied)
        }
    }

    @Test("a login that needs an approval works with it and not without")
    func approvals() async throws {
        try await withSSHNode { node in
            let alone = try node.draft(try node.statement(try node.body(), by: ["ben"]))
            #expect(try await node.logIn(alone.signed(by: FleetSimulator.userAuthority)).isDenied)
            let approved = try node.draft(try node.statement(try node.body(), by: ["ben", "cat"]))
            #expect(try await node.logIn(approved.signed(by: FleetSimulator.userAuthority)).isLogin)
        }
    }

    @Test("an operator whom no rule names any more is refused with a certificate that is still good")
    func removedOperator() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            #expect(try await node.logIn(certificate).isLogin)
            try await node.publish { fleet in
                try fleet.allowNoLogins()
                try fleet.publishPolicy()
            }
            #expect(try await node.logIn(certificate).isDenied)
        }
    }

    @Test("a node that lost the tag which the rule names refuses the login")
    func retagged() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            try await node.memory.change { $0.tags = [] }
            await node.upkeep.once()
            #expect(try await node.logIn(certificate).isDenied)
        }
    }

    @Test("nobody is let in by a policy that has expired, nor without the agent's file")
    func expiredPolicy() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            let path = node.file("login.json")
            let text = String(decoding: try BoundedFile.read(path, limit: 1 << 20), as: UTF8.self)
            let fields = text.split(separator: "\"expires\":")
            #expect(fields.count > 1)
            try AtomicFile.remove(path)
            #expect(try await node.logIn(certificate).isDenied)
            try AtomicFile.write(Array("{}".utf8), to: path, mode: 0o644)
            #expect(try await node.logIn(certificate).isDenied)
            // The agent writes it again at its next look.
            await node.upkeep.once()
            #expect(try await node.logIn(certificate).isLogin)
        }
    }

    @Test("a client that trusts only the host CA accepts this host by its names, and no other host or CA")
    func hostCertificate() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            func knownHosts(_ key: TestKey, _ name: String) throws -> String {
                let path = node.folder.file("known-\(key.name)")
                try AtomicFile.write(Array("@cert-authority \(name) \(try key.ssh.line)\n".utf8), to: path)
                return path
            }
            let trusting = try knownHosts(FleetSimulator.hostAuthority, "*")
            let outcome = try await node.logIn(certificate, knownHosts: trusting)
            #expect(outcome.isLogin, "\(outcome)")
            let stranger = try await node.logIn(certificate, knownHosts: try knownHosts(TestKey("other CA"), "*"))
            #expect(stranger.status == 255 && stranger.output.contains("Host key verification failed"))
            // The certificate does not name this address.
            let misnamed = try await node.sshd.ssh(
                try node.sshd.identity(SSHNode.key, certificate) + ["-o", "HostKeyAlias=other"],
                knownHosts: trusting
            )
            #expect(misnamed.status == 255 && misnamed.output.contains("Host key verification failed"))
        }
    }

    @Test("a host certificate is renewed at two thirds of its life, and sshd shows the new one")
    func hostCertificateRenewal() async throws {
        let node = try await SSHNode()
        do {
            // Two thirds and a bit are over when it is issued.
            await node.authority.setAge(21 * 86400)
            try await node.publish()
            let first = try #require(await node.report()?.hostCertificates.first)
            await node.authority.setAge(60)
            // News of authorities has the agent look at its certificates at once.
            try await node.publish { fleet in
                try fleet.trustSSH()
                try fleet.publishPolicy()
            }
            let second = try #require(await node.report()?.hostCertificates.first)
            #expect(second.serial > first.serial)
            let requests = await node.authority.requests
            try await node.publish { fleet in
                try fleet.trustSSH()
                try fleet.publishPolicy()
            }
            #expect(await node.authority.requests == requests, "a fresh certificate is asked for once")
        } catch {
            await node.end()
            throw error
        }
        await node.end()
    }

    @Test("a host certificate that clients would not take is not shown")
    func wrongHostCertificate() async throws {
        let node = try await SSHNode()
        await node.authority.setKey(TestKey("other CA"))
        try await node.publish()
        let report = await node.report()
        await node.end()
        #expect(report?.hostCertificates.isEmpty == true)
        #expect(report?.problem.contains("does not trust its CA") == true, "\(report?.problem ?? "")")
    }

    @Test("a node with TrustedUserCAKeys alone takes what the CA signed: that is what it gives up")
    func nodeWithoutAgent() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("ca.pub", Array((try FleetSimulator.userAuthority.ssh.line + "\n").utf8))
        let sshd = try await SSHDFixture(in: folder.file("sshd"), lines: ["TrustedUserCAKeys \(path)"])
        let draft = CertificateDraft(try SSHNode.key.ssh, principals: [SSHDFixture.user], time: WallClock.now())
        do {
            let honest = try sshd.identity(SSHNode.key, try draft.signed(by: FleetSimulator.userAuthority))
            #expect(try await sshd.ssh(honest).isLogin)
            let other = try sshd.identity(SSHNode.key, try draft.signed(by: TestKey("other CA")))
            #expect(try await sshd.ssh(other).isDenied)
            // What sshd itself enforces still holds.
            var expired = draft
            expired.validBefore = WallClock.now().adding(seconds: -1)
            var early = draft
            early.validAfter = WallClock.now().adding(seconds: 120)
            var elsewhere = draft
            elsewhere.sourceAddress = "127.0.0.9/32"
            for refused in [expired, early, elsewhere] {
                let certificate = try refused.signed(by: FleetSimulator.userAuthority)
                #expect(try await sshd.ssh(try sshd.identity(SSHNode.key, certificate)).isDenied)
            }
            #expect(sshd.log.contains("Certificate invalid: expired"), "\(sshd.log)")
            #expect(sshd.log.contains("Certificate invalid: not yet valid"), "\(sshd.log)")
        } catch {
            await sshd.end()
            throw error
        }
        await sshd.end()
    }
}
