import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// SSH certificates come to a fleet that was made without them, by two policy keys on two people's machines.
@Suite("muster ssh enable, end to end", .enabled(if: SSHDFixture.obstacle == nil, "a real sshd is needed"))
struct SSHEnableSessionTests {
    /// The fleet begins as those did that were made before there were certificates: its service has none but four keys, all
    /// in an ssh-agent.
    ///
    /// Two more keys in the agent become the CAs.
    @Test(
        "Enabling is staged, signed by the second policy key, merged and published; then a login works, and a rotation"
    )
    func enable() async throws {
        let folder = try TemporaryFolder()
        let socket = folder.file("agent")
        let agent = try RunningProgram("/usr/bin/ssh-agent", ["-D", "-a", socket], log: folder.file("agent.log"))
        do {
            for _ in 0..<1200 where access(socket, F_OK) != 0 { try await Task.sleep(for: .milliseconds(50)) }
            for number in 1...4 { try await Self.addKey(number, folder, socket) }
            try await SSHFleetFixture.run(
                operators: ["ada", "ben"],
                options: ["--policy-keys", "2", "--policy-threshold", "2"],
                serviceOptions: ["--ssh-agent", socket],
                hasCertificates: false
            ) { fixture in
                try await Self.checkWithout(fixture)
                for number in 5...6 { try await Self.addKey(number, folder, socket) }
                try await fixture.fleet.restartService()
                try await Self.turnOn(fixture)
                try await fixture.waitForSSHD()
                let login = try await fixture.ssh("echo welcome")
                #expect(login.status == 0 && login.output == "welcome\n", "\(login.text)")
                try await Self.addKey(7, folder, socket)
                try await Self.announce(fixture)
            }
        } catch {
            await agent.end()
            throw error
        }
        await agent.end()
    }

    private static func addKey(_ number: Int, _ folder: TemporaryFolder, _ socket: String) async throws {
        let (path, log) = (folder.file("key-\(number)"), folder.file("key.log"))
        let made = try await RunningProgram.run(
            "/usr/bin/ssh-keygen",
            ["-q", "-t", "ed25519", "-N", "", "-C", "key \(number)", "-f", path],
            log: log
        )
        let added = try await RunningProgram.run(
            "/usr/bin/ssh-add",
            ["-q", path],
            environment: ["SSH_AUTH_SOCK": socket],
            log: log
        )
        guard made == 0, added == 0 else { throw RunningProgram.Failure("no key in the agent, see \(log)") }
    }

    // MARK: - Steps

    private static func checkWithout(_ fixture: SSHFleetFixture) async throws {
        let login = try await fixture.ssh("echo welcome")
        #expect(login.status == 1 && login.text.contains("muster ssh enable"), "\(login.text)")
        let explained = try await fixture.run(["ssh", "explain", "--as", "root", "--on", SSHFleetFixture.node])
        #expect(explained.status == 1 && explained.text.contains("'muster ssh enable'"), "\(explained.text)")
        let early = try await fixture.run(["ssh", "enable"] + fixture.fleet.passphrase)
        #expect(early.status == 1 && early.text.contains("has no CA keys"), "\(early.text)")
        // The second policy key goes to ben's machine.
        let keys = fixture.fleet.desk("ben") + "/keys"
        try Directory.create(keys)
        try AtomicFile.rename(fixture.fleet.desk("ada") + "/keys/policy-2.key", to: keys + "/policy-2.key")
    }

    private static func turnOn(_ fixture: SSHFleetFixture) async throws {
        let passphrase = fixture.fleet.passphrase
        let staged = fixture.fleet.desk("ada") + "/staged/policy-2.json"
        let enabled = try await fixture.run(["ssh", "enable"] + passphrase)
        #expect(enabled.output.hasSuffix("\(staged): signed by 1 of 2 needed\n"), "\(enabled.text)")
        let early = try await fixture.run(["policy", "publish", staged])
        #expect(early.status == 1 && early.text.contains("signed by 1 of the 2 keys"), "\(early.text)")
        let copy = try fixture.folder.write("policy-2.json", try BoundedFile.read(staged, limit: 1 << 20))
        let signed = try await fixture.run(["policy", "sign", copy] + passphrase, as: "ben")
        #expect(signed.output.contains("+ ssh/trust.json") && signed.output.contains("user CA SHA256:"))
        #expect(signed.output.hasSuffix("signed by 2 of 2 needed\n"), "\(signed.text)")
        let merged = try await fixture.run(["policy", "merge", staged, copy])
        #expect(merged.output == "\(staged): signed by 2 of 2 needed\n", "\(merged.text)")
        let published = try await fixture.run(["policy", "publish", staged])
        #expect(published.output == "published policy version 2\n", "\(published.text)")
    }

    /// A later change of the same document, as staged as the first.
    private static func announce(_ fixture: SSHFleetFixture) async throws {
        let passphrase = fixture.fleet.passphrase
        let staged = fixture.fleet.desk("ada") + "/staged/policy-3.json"
        let announced = try await fixture.run(["ssh", "rotate", "user", "announce"] + passphrase)
        #expect(announced.output.hasSuffix("\(staged): signed by 1 of 2 needed\n"), "\(announced.text)")
        let before = try await fixture.json(["ssh", "status"])["trust"]?["user_ca"]?.elements
        #expect(before?.count == 1, "nothing counts before the second signature")
        let signed = try await fixture.run(["policy", "sign", staged] + passphrase, as: "ben")
        #expect(signed.output.contains("announced since"), "\(signed.text)")
        let published = try await fixture.run(["policy", "publish", staged])
        #expect(published.output == "published policy version 3\n", "\(published.text)")
        let after = try await fixture.json(["ssh", "status"])["trust"]?["user_ca"]?.elements ?? []
        #expect(after.map { $0["phase"]?.text } == ["signing", "announced"])
    }
}
