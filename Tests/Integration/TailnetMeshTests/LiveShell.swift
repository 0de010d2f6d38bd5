import CLinux
import Glibc
import MusterSystem
import MusterTestSupport

/// A live SSH session: an `sshd` of its own on one machine of a mesh, and an `ssh` on another one whose lines it echoes.
actor LiveShell {
    private let server: RunningProgram
    private let client: RunningProgram
    private let input: OpenFile
    private var lines = 0

    /// Runs a test with a session over the tunnel.
    static func run(
        from client: MeshFixture.Member,
        to server: MeshFixture.Member,
        _ test: @Sendable (LiveShell) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        for name in ["host", "user"] {
            let options = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder.file(name)]
            let made = try await Command("/usr/bin/ssh-keygen", options).run(timeout: .seconds(120))
            guard made.succeeded else { throw RunningProgram.Failure("ssh-keygen: \(made.errorText)") }
        }
        let shell = try await LiveShell(client, server, folder)
        do {
            try await test(shell)
        } catch {
            await shell.end()
            throw RunningProgram.Failure("\(error)\n--- sshd\n\(shell.server.output)\n--- ssh\n\(shell.client.output)")
        }
        await shell.end()
    }

    private init(
        _ client: MeshFixture.Member,
        _ server: MeshFixture.Member,
        _ folder: TemporaryFolder
    ) async throws {
        let key = try BoundedFile.read(folder.file("host.pub"), limit: 4096)
        try folder.write("known", Array("\(server.address) ".utf8) + key)
        try folder.write("sshd_config", Self.configuration(server.address, folder).utf8)
        // Where it refuses to start without; Debian's own service makes it anew at every boot.
        try Directory.create("/run/sshd", mode: 0o755)
        self.server = try server.namespace.start(
            "/usr/sbin/sshd",
            ["-D", "-e", "-f", folder.file("sshd_config")],
            log: folder.file("sshd.log")
        )
        for _ in 0..<6000 {
            if server.namespace.listeningSockets.contains(where: { $0.port == 22 }) { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw SystemError("create", "a pipe", errno: errno) }
        let reading = OpenFile(descriptor: ends[0], path: "pipe")
        input = OpenFile(descriptor: ends[1], path: "pipe")
        self.client = try client.namespace.start(
            "/usr/bin/ssh",
            ["-F", "/dev/null", "-T", "-i", folder.file("user")] + Self.options(folder) + [
                "root@\(server.address)", "exec cat",
            ],
            input: reading,
            log: folder.file("ssh.log")
        )
    }

    private static func configuration(_ address: String, _ folder: TemporaryFolder) -> String {
        """
        ListenAddress \(address):22
        HostKey \(folder.file("host"))
        AuthorizedKeysFile \(folder.file("user.pub"))
        PermitRootLogin prohibit-password
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        StrictModes no
        UsePAM no
        PidFile none
        LogLevel INFO

        """
    }

    private static func options(_ folder: TemporaryFolder) -> [String] {
        [
            "BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=yes",
            "UserKnownHostsFile=\(folder.file("known"))", "GlobalKnownHostsFile=/dev/null", "LogLevel=ERROR",
        ].flatMap { ["-o", $0] }
    }

    /// Sends a line and waits until it comes back; the session is the one that `run` opened.
    func echo(within timeout: Duration = .seconds(60)) async throws {
        lines += 1
        let bytes = Array("line \(lines)\n".utf8)
        guard write(input.descriptor, bytes, bytes.count) == bytes.count else {
            throw SystemError("write to", "the session", errno: errno)
        }
        let deadline = ContinuousClock.now + timeout
        while !client.output.contains("line \(lines)\n") {
            if let status = await client.exit(within: .zero) {
                throw RunningProgram.Failure("the session ended with status \(status)")
            }
            guard ContinuousClock.now < deadline else {
                throw RunningProgram.Failure("line \(lines) did not come back within \(timeout)")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func end() async {
        await client.end()
        await server.end()
    }
}
