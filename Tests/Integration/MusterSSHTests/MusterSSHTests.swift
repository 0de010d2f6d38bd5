import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// People log in with the real muster, musterd, muster-agent, sshd and ssh.
@Suite("muster ssh, end to end", .enabled(if: SSHDFixture.obstacle == nil, "a real sshd is needed"), .serialized)
struct MusterSSHTests {
    @Test("From nothing to a login in two commands per side, by a new key and a host that proves its name")
    func fromNothing() async throws {
        try await SSHFleetFixture.run { fixture in
            let first = try await fixture.ssh("echo welcome")
            #expect(first.status == 0 && first.output == "welcome\n", "\(first.text)")
            let place = fixture.place()
            #expect(try Self.mode(place + "/id") == 0o600)
            #expect(try Self.mode(place) == 0o700)
            // Neither the node's accounts nor the client's list of hosts had to be touched.
            let known = try BoundedFile.read(fixture.fleet.desk("ada") + "/ssh/known_hosts", limit: 4096)
            #expect(String(decoding: known, as: UTF8.self).hasPrefix("@cert-authority * ssh-ed25519 "))

            // The certificate is used again, without the service.
            let serial = try await Self.serial(fixture)
            let status = try await fixture.ssh("exit 7")
            #expect(status.status == 7, "the command's own status: \(status.text)")
            #expect(try await Self.serial(fixture) == serial)
            let list = try await fixture.run(["ssh", "list"])
            #expect(list.output.contains("ada") && list.output.contains("root"), "\(list.text)")
            #expect(list.output.split(separator: "\n").count == 2, "one certificate was issued: \(list.text)")
        }
    }

    @Test("The key lives in the ssh-agent, with a lifetime, and in no file")
    func agent() async throws {
        try await SSHFleetFixture.run { fixture in
            let socket = fixture.folder.file("agent")
            let agent = try RunningProgram(
                "/usr/bin/ssh-agent",
                ["-D", "-a", socket],
                log: fixture.folder.file("agent.log")
            )
            for _ in 0..<1200 where !Directory.exists(socket) { try await Task.sleep(for: .milliseconds(50)) }
            do {
                let outcome = try await fixture.ssh("echo welcome", ["--agent"], agent: socket)
                #expect(outcome.status == 0 && outcome.output == "welcome\n", "\(outcome.text)")
                #expect(!Directory.exists(fixture.place() + "/id"))
                let environment = fixture.environment("ada", agent: socket)
                let held = try await fixture.run("/usr/bin/ssh-add", ["-l"], environment)
                #expect(held.output.contains("ED25519-CERT"), "\(held.text)")
                let again = try await fixture.ssh("echo again", ["--agent"], agent: socket)
                #expect(again.output == "again\n", "\(again.text)")
                // The agent has lost it: the next login gets a new one.
                _ = try await fixture.run("/usr/bin/ssh-add", ["-D"], environment)
                let after = try await fixture.ssh("echo after", ["--agent"], agent: socket)
                #expect(after.output == "after\n", "\(after.text)")
            } catch {
                await agent.end()
                throw error
            }
            await agent.end()
        }
    }

    @Test("Plain ssh gets and renews certificates by itself, and other hosts are left alone")
    func plainSSH() async throws {
        try await SSHFleetFixture.run { fixture in
            let written = try await fixture.run(["ssh", "config", "--write"])
            #expect(written.status == 0, "\(written.text)")
            let again = try await fixture.run(["ssh", "config", "--write"])
            #expect(again.output.contains("includes it already"), "\(again.text)")
            let configuration = fixture.fleet.folder.file("desk/.ssh/config")
            let environment = fixture.environment("ada")
            let options = ["-F", configuration, "-p", "\(fixture.sshd.port)", "-o", "BatchMode=yes"]
            let login = try await fixture.run(
                "/usr/bin/ssh",
                options + ["root@127.0.0.1", "echo plain"],
                environment
            )
            #expect(login.status == 0 && login.output == "plain\n", "\(login.text)")
            let unknown = try await fixture.run(
                try BuiltProgram("muster").path,
                ["ssh", "certificate", "--quiet", "--for", "example.org", "--user", "root"],
                environment
            )
            #expect(unknown.status == 1 && unknown.text.isEmpty, "\(unknown.text)")
            let printed = try await fixture.run(
                "/usr/bin/ssh",
                ["-F", configuration, "-G", "example.org"],
                environment
            )
            #expect(!printed.output.contains("certificatefile"), "\(printed.text)")
        }
    }

    @Test("A login that needs approval waits, says for whom, and goes on once another operator has signed")
    func approval() async throws {
        try await SSHFleetFixture.run(operators: ["ada", "ben"], policy: Self.approved) { fixture in
            let explained = try await fixture.run(["ssh", "explain", "--as", "root", "--on", "web-1"])
            #expect(explained.status == 1 && explained.output.contains("ask ben"), "\(explained.text)")
            let login = try RunningProgram(
                try BuiltProgram("muster").path,
                ["ssh", "-p", "\(fixture.sshd.port)", "--reason", "the disk is full", "root@web-1", "echo approved"],
                environment: fixture.environment("ada"),
                log: fixture.folder.file("login.log")
            )
            let request = try await Self.request(fixture)
            #expect(login.output.contains("waiting for approval") && login.output.contains("ask ben"))
            let own = try await fixture.run(["ssh", "approve", request, "--yes"])
            #expect(own.status == 1, "who asks is no approver: \(own.text)")
            let silent = try await fixture.run(["ssh", "approve", request], as: "ben")
            #expect(silent.status == 2, "a script is not asked: \(silent.text)")
            let approved = try await fixture.run(["ssh", "approve", request, "--yes"], as: "ben")
            #expect(approved.status == 0, "\(approved.text)")
            #expect(approved.output.contains("ada asks to log in as root on web-1"), "\(approved.text)")
            #expect(approved.output.contains("reason: the disk is full"), "\(approved.text)")
            #expect(await login.exit(within: .seconds(60)) == 0)
            #expect(login.output.contains("approved\n"), "\(login.output)")

            let second = try RunningProgram(
                try BuiltProgram("muster").path,
                ["ssh", "certificate", "--new", "--for", "web-1", "--user", "root"],
                environment: fixture.environment("ada"),
                log: fixture.folder.file("second.log")
            )
            let other = try await Self.request(fixture)
            let denied = try await fixture.run(["ssh", "deny", other, "--reason", "not tonight"], as: "ben")
            #expect(denied.status == 0, "\(denied.text)")
            #expect(await second.exit(within: .seconds(60)) == 1)
            #expect(second.output.contains("denied") && second.output.contains("not tonight"), "\(second.output)")
        }
    }

    @Test("Who may not log in hears which rules there are and why none fits; nothing is issued")
    func explained() async throws {
        try await SSHFleetFixture.run(operators: ["ada", "ben"], policy: Self.approved) { fixture in
            let account = try await fixture.run(["ssh", "explain", "--as", "deploy", "--on", "web-1"])
            #expect(
                account.status == 1 && account.output.contains("'deploy' is not among its 'users'"),
                "\(account.text)"
            )
            let person = try await fixture.run(
                ["ssh", "explain", "--as", "root", "--on", "web-1", "--operator", "ben"]
            )
            #expect(person.status == 1 && person.output.contains("'ben' is not among its 'who'"), "\(person.text)")
            let json = try await fixture.json(["ssh", "explain", "--as", "root", "--on", "web-1"])
            #expect(json["works"] == false && json["allowed"] == false)
            #expect(json["rule"] == "logins of a second pair of eyes")
            let node = try await fixture.run(["ssh", "explain", "--as", "root", "--on", "nowhere"])
            #expect(node.status == 1 && node.text.contains("there is no node 'nowhere'"), "\(node.text)")
            let refused = try await fixture.ssh("echo in", as: "ben")
            #expect(refused.status == 1 && refused.text.contains("not among its 'who'"), "\(refused.text)")
            #expect(try await fixture.json(["ssh", "list", "--all"])["items"] == [])
        }
    }

    // MARK: - Steps

    private static func mode(_ path: String) throws -> UInt32 {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw SystemError("look at", path, errno: errno) }
        return status.st_mode & 0o777
    }

    private static func serial(_ fixture: SSHFleetFixture) async throws -> Int64 {
        let found = try await fixture.json(["ssh", "certificate", "--for", "web-1", "--user", "root"])
        guard case .integer(let serial)? = found["serial"] else {
            throw RunningProgram.Failure("no serial in \(found.prettyText)")
        }
        return serial
    }

    private static func request(_ fixture: SSHFleetFixture) async throws -> String {
        for _ in 0..<120 {
            let list = try await fixture.json(["ssh", "list", "--waiting"], as: "ben")
            if case .array(let items)? = list["items"],
                case .string(let id)? = items.first?["statement"]?["signed"]?["id"]
            {
                return id
            }
            try await Task.sleep(for: .milliseconds(250))
        }
        throw RunningProgram.Failure("no request waits")
    }

    @Sendable private static func approved(_ keys: [String]) -> String {
        """
        operators:
          ada: {keys: [{public_key: \(words(keys[0])), expires: 2099-01-01T00:00:00Z}]}
          ben: {keys: [{public_key: \(words(keys[1])), expires: 2099-01-01T00:00:00Z}]}
        rules:
          - name: let nodes in
            allow: [enroll]
            who: [ada]
            nodes: ["*"]
            tags: ["*"]
          - name: logins of a second pair of eyes
            allow: [ssh-certificate]
            who: [ada]
            nodes: ["*"]
            users: [root]
            approvals: {count: 1, from: [ben]}

        """
    }

    private static func words(_ line: String) -> String { line.split(separator: " ").prefix(2).joined(separator: " ") }
}
