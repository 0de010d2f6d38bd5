import Glibc
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Testing

/// How the agent changes sshd's configuration: checked before it counts, undone where it fails, sessions untouched.
extension SSHDIntegrationTests {
    @Test("a configuration that sshd -t refuses is put back, and the running sshd goes on with the old one")
    func refusedConfiguration() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            let before = try BoundedFile.read(node.sshd.dropIn, limit: 65536)
            // Somebody breaks the main file while the agent has a change to make.
            let main = try BoundedFile.read(node.sshd.configuration, limit: 65536)
            try AtomicFile.write(main + Array("NoSuchKeyword yes\n".utf8), to: node.sshd.configuration)
            unlink(node.file("host-ed25519-cert.pub"))
            await node.authority.fail("no")
            await node.upkeep.once()
            let problem = try #require(await node.report()?.problem)
            #expect(problem.contains("NoSuchKeyword"), "\(problem)")
            #expect(try BoundedFile.read(node.sshd.dropIn, limit: 65536) == before)
            #expect(try await node.logIn(certificate).isLogin)
            try AtomicFile.write(main, to: node.sshd.configuration)
            await node.authority.fail(nil)
            try await node.publish { fleet in
                try fleet.trustSSH()
                try fleet.publishPolicy()
            }
            #expect(await node.report()?.problem == "")
            #expect(await node.report()?.hostCertificates.count == 1)
        }
    }

    @Test("where only the agent's part is refused, what was there before is there again")
    func refusedPart() async throws {
        let folder = try TemporaryFolder()
        // An sshd that takes everything but a configuration with host certificates in its place.
        let program = try folder.write(
            "sshd",
            Array(
                """
                #!/bin/sh
                case "$1 $3" in
                "-t "*/ssh-candidate.conf) ;;
                "-t "*) if grep -qs HostCertificate "$(dirname "$3")"/sshd_config.d/*; then
                    echo "bad host certificate" >&2; exit 255; fi ;;
                esac
                exec /usr/sbin/sshd "$@"

                """.utf8
            )
        )
        chmod(program, 0o755)
        let node = try await SSHNode(configure: { $0.program = program })
        do {
            await node.authority.fail("not yet")
            try await node.publish()
            let before = try BoundedFile.read(node.sshd.dropIn, limit: 65536)
            #expect(!String(decoding: before, as: UTF8.self).contains("HostCertificate"))
            await node.authority.fail(nil)
            try await node.publish { fleet in
                try fleet.trustSSH()
                try fleet.publishPolicy()
            }
            let problem = try #require(await node.report()?.problem)
            #expect(problem.contains("bad host certificate") && problem.contains("put back"), "\(problem)")
            #expect(try BoundedFile.read(node.sshd.dropIn, limit: 65536) == before)
            // The daemon that runs was never told of it.
            #expect(node.sshd.daemon.output.contains("Server listening"))
            #expect(kill(node.sshd.daemon.pid, 0) == 0)
        } catch {
            await node.end()
            throw error
        }
        await node.end()
    }

    @Test("a session stays open, and its command goes on, through reloads of sshd")
    func sessionsThroughReloads() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            let session = try node.sshd.open(
                try node.sshd.identity(SSHNode.key, certificate),
                command: "echo begun; while [ ! -e \(node.folder.file("enough")) ]; do sleep 0.1; done; echo welcome"
            )
            try await wait { session.output.contains("begun") }
            let reloads = node.reloads
            for _ in 0..<2 {
                unlink(node.file("host-ed25519-cert.pub"))
                try await node.publish { fleet in
                    try fleet.trustSSH()
                    try fleet.publishPolicy()
                }
                #expect(await node.report()?.problem == "")
            }
            let after = node.reloads
            #expect(after >= reloads + 2, "\(node.sshd.log)")
            #expect(kill(session.pid, 0) == 0)
            try AtomicFile.write([], to: node.folder.file("enough"))
            #expect(await session.exit(within: .seconds(60)) == 0)
            #expect(session.output.contains("welcome"))
        }
    }

    @Test("a drop-in that somebody altered or removed is put back")
    func alteredDropIn() async throws {
        try await withSSHNode { node in
            let right = try BoundedFile.read(node.sshd.dropIn, limit: 65536)
            try AtomicFile.write(Array("TrustedUserCAKeys none\n".utf8), to: node.sshd.dropIn, mode: 0o644)
            await node.upkeep.once()
            #expect(try BoundedFile.read(node.sshd.dropIn, limit: 65536) == right)
            try AtomicFile.remove(node.sshd.dropIn)
            await node.upkeep.once()
            #expect(try BoundedFile.read(node.sshd.dropIn, limit: 65536) == right)
            #expect(await node.report()?.problem == "")
            #expect(try await node.logIn(try node.certificate()).isLogin)
        }
    }

    @Test("where another file answers for principals, certificates are not accepted at all")
    func dangerousNeighbour() async throws {
        let neighbours = [
            "AuthorizedPrincipalsFile /etc/ssh/principals",
            "AuthorizedPrincipalsCommand /bin/echo %u\nAuthorizedPrincipalsCommandUser nobody",
            "Match User \(SSHDFixture.user)\n  AuthorizedPrincipalsCommand /bin/echo %u",
            "Match Address 127.0.0.0/8\n  AuthorizedPrincipalsFile=\"/etc/ssh/principals\"",
        ]
        for text in neighbours {
            let node = try await SSHNode()
            do {
                // Of some keywords sshd takes the first line, of AuthorizedPrincipalsCommand 9.2 takes the last.
                for name in ["00-other", "99-other"] {
                    let path = node.sshd.folder + "/sshd_config.d/\(name).conf"
                    try AtomicFile.write(Array((text + "\n").utf8), to: path)
                }
                try await node.publish()
                let report = try #require(await node.report())
                #expect(report.problem.contains("certificates are not accepted here"), "\(report.problem)")
                #expect(report.userAuthorities.isEmpty)
                #expect(!Directory.exists(node.sshd.dropIn))
                #expect(try await node.logIn(try node.certificate()).isDenied)
            } catch {
                await node.end()
                throw error
            }
            await node.end()
        }
    }

    @Test("a principals command that its account cannot reach, or that others may replace, is said in words")
    func unreachableCommand() async throws {
        let open = try TemporaryFolder()
        let program = try open.write("muster-agent", Array("#!/bin/sh\n".utf8))
        chmod(program, 0o755)
        let replaceable = try await SSHNode(configure: { $0.principalsProgram = program })
        try await replaceable.publish()
        let first = await replaceable.report()
        await replaceable.end()
        #expect(first?.problem.contains("sshd would not run") == true, "\(first?.problem ?? "")")
        let closed = try await SSHNode(configure: { $0.principalsUser = "nobody" })
        chmod(closed.folder.path, 0o700)
        try await closed.publish()
        let second = await closed.report()
        await closed.end()
        #expect(second?.problem.contains("may not pass") == true, "\(second?.problem ?? "")")
        #expect(second?.userAuthorities.isEmpty == true)
    }

    @Test("a configuration that does not include the drop-in is told so, with the line to add")
    func notIncluded() async throws {
        try await withSSHNode { node in
            let main = String(decoding: try BoundedFile.read(node.sshd.configuration, limit: 65536), as: UTF8.self)
            let without = main.split(separator: "\n").filter { !$0.hasPrefix("Include") }.joined(separator: "\n")
            try AtomicFile.write(Array((without + "\n").utf8), to: node.sshd.configuration)
            await node.upkeep.once()
            let report = try #require(await node.report())
            #expect(report.problem.contains("put 'Include"), "\(report.problem)")
            #expect(report.userAuthorities.isEmpty)
        }
    }

    @Test("CAs come and go with ssh/trust.json: both log in while both are listed, only the new one afterwards")
    func authorityRotation() async throws {
        try await withSSHNode { node in
            let (old, new) = (FleetSimulator.userAuthority, TestKey("ssh-user-ca-next"))
            let byOld = try node.draft(try node.statement(try node.body())).signed(by: old)
            let byNew = try node.draft(try node.statement(try node.body())).signed(by: new)
            #expect(try await node.logIn(byOld).isLogin)
            #expect(try await node.logIn(byNew).isDenied)
            let session = try node.sshd.open(
                try node.sshd.identity(SSHNode.key, byOld),
                command: "echo begun; while [ ! -e \(node.folder.file("enough")) ]; do sleep 0.1; done; echo welcome"
            )
            try await wait { session.output.contains("begun") }
            try await node.publish { fleet in
                try fleet.trustSSH(users: [old, new])
                try fleet.publishPolicy()
            }
            #expect(await node.report()?.userAuthorities == [try old.ssh.fingerprint, try new.ssh.fingerprint])
            #expect(try await node.logIn(byOld).isLogin)
            #expect(try await node.logIn(byNew).isLogin)
            try await node.publish { fleet in
                try fleet.trustSSH(users: [new])
                try fleet.publishPolicy()
            }
            #expect(await node.report()?.userAuthorities == [try new.ssh.fingerprint])
            #expect(try await node.logIn(byOld).isDenied)
            #expect(try await node.logIn(byNew).isLogin)
            #expect(kill(session.pid, 0) == 0)
            try AtomicFile.write([], to: node.folder.file("enough"))
            #expect(await session.exit(within: .seconds(60)) == 0)
        }
    }

    @Test("a revocation list that is damaged or older is not installed, and a removed one is put back")
    func revocationList() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            try await node.publish { try $0.revoke(serials: [7]) }
            try await node.publish { try $0.revoke(serials: [7, 8]) }
            let good = try BoundedFile.read(node.file("revoked.krl"), limit: 65536)
            try await node.publish { fleet in
                try fleet.revoke(serials: [7])
                fleet.revocationList = Array("SSHKRL\n\0 and no more".utf8)
                fleet.snapshotVersion += 1
                fleet.timestampVersion += 1
                fleet.revocationsVersion += 1
                try fleet.publish()
            }
            #expect(await node.report()?.problem.contains("revocation list") == true)
            #expect(try BoundedFile.read(node.file("revoked.krl"), limit: 65536) == good)
            try await node.publish { fleet in
                // A list of version 1, signed as version 5: a service that was taken over brings people back.
                fleet.revocationList = try SSHRevocations().list(version: 1, date: fleet.time).bytes
                fleet.snapshotVersion += 1
                fleet.timestampVersion += 1
                fleet.revocationsVersion += 1
                try fleet.publish()
            }
            #expect(try BoundedFile.read(node.file("revoked.krl"), limit: 65536) == good)
            #expect(await node.report()?.krlVersion == 2)
            // sshd without the file refuses every key: the agent puts the list back that the fleet signed.
            try await node.publish { fleet in
                fleet.revocationsVersion = 9
                try fleet.revoke(serials: [7, 8])
            }
            unlink(node.file("revoked.krl"))
            #expect(try await node.logIn(certificate).isDenied)
            await node.upkeep.once()
            #expect(await node.report()?.krlVersion == 10)
            #expect(try await node.logIn(certificate).isLogin)
        }
    }

    @Test("a stolen revocations key locks nobody out by the CA's key, nor for good by the highest version")
    func stolenRevocationsKey() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            try await node.publish { try $0.revoke(serials: [7]) }
            try await node.publish { fleet in
                try fleet.revoke(serials: [7])
                let keys = SSHRevocations(keys: [try FleetSimulator.userAuthority.ssh])
                fleet.revocationList = try keys.list(version: UInt64(fleet.revocationsVersion), date: fleet.time).bytes
                fleet.snapshotVersion += 1
                fleet.timestampVersion += 1
                try fleet.publish()
            }
            #expect(await node.report()?.problem.contains("lock everybody out") == true)
            #expect(try await node.logIn(certificate).isLogin)
            // Every certificate of the CA by its serial, at the highest version.
            try await node.publish { fleet in
                fleet.revocationsVersion = Int64.max / 2 - 1
                try fleet.revoke(serials: [certificate.content.serial])
            }
            #expect(await node.report()?.krlVersion == Int64.max / 2)
            #expect(try await node.logIn(certificate).isDenied)
            // The fleet replaces the keys, and the honest list is taken.
            try await node.publish { fleet in
                fleet.snapshotKey = TestKey("next snapshot")
                fleet.timestampKey = TestKey("next timestamp")
                fleet.revocationsKey = TestKey("next revocations")
                fleet.rootVersion += 1
                fleet.targetsVersion += 1
                fleet.revocationsVersion = 20
                try fleet.revoke(serials: [7])
            }
            #expect(await node.report()?.krlVersion == 21)
            #expect(try await node.logIn(certificate).isLogin)
        }
    }

    @Test("an agent that was killed between two steps finishes or undoes the change at its next start")
    func killedBetween() async throws {
        try await withSSHNode { node in
            let right = try BoundedFile.read(node.sshd.dropIn, limit: 65536)
            let record = TestPaths.setup(node)
            // Written but never checked nor loaded: the record is as it was before.
            try AtomicFile.write(Array("{\"checked\":\"\",\"loaded\":\"\"}".utf8), to: record)
            let reloads = node.reloads
            try AtomicFile.write(
                try BoundedFile.read(node.sshd.configuration, limit: 65536) + Array("# touched\n".utf8),
                to: node.sshd.configuration
            )
            await node.upkeep.once()
            #expect(await node.report()?.problem == "")
            #expect(try BoundedFile.read(node.sshd.dropIn, limit: 65536) == right)
            #expect(node.reloads > reloads)
        }
    }

    @Test("a fleet that gives up its SSH side leaves sshd as it was before")
    func leaving() async throws {
        try await withSSHNode { node in
            let certificate = try node.certificate()
            #expect(try await node.logIn(certificate).isLogin)
            try await node.publish { fleet in
                fleet.sshTrust = nil
                try fleet.publishPolicy()
            }
            #expect(await node.report() == nil)
            #expect(!Directory.exists(node.sshd.dropIn))
            #expect(try await node.logIn(certificate).isDenied)
        }
    }

    @Test(
        "logins by certificates of the fleet are reported from sshd's log, once, also those with serials nobody issued"
    )
    func reportedLogins() async throws {
        try await withSSHNode { node in
            let following = Task { await node.upkeep.run {} }
            defer { following.cancel() }
            try await Task.sleep(for: .seconds(1.5))
            let certificate = try node.certificate()
            #expect(try await node.logIn(certificate).isLogin)
            try await wait { await node.report()?.logins.isEmpty == false }
            let (report, through) = try #require(await node.upkeep.report())
            let login = try #require(report.logins.first)
            #expect(report.logins.count == 1)
            #expect(login.serial == Int64(certificate.content.serial))
            #expect(login.keyID == certificate.content.keyID)
            #expect(login.user == SSHDFixture.user && login.address == "127.0.0.1")
            await node.upkeep.delivered(through: through)
            #expect(await node.report()?.logins.isEmpty == true)
        }
    }
}

/// Files of the agent that tests damage.
enum TestPaths {
    static func setup(_ node: SSHNode) -> String { node.folder.file("state/ssh-setup.json") }
}

/// Waits until something is so, for a minute.
func wait(_ condition: () async throws -> Bool) async throws {
    for _ in 0..<1200 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    Issue.record("it did not come to that in a minute")
}
