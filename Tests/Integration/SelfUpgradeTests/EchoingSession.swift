import MusterSystem
import MusterTestSupport
import OpenSSHFormats

/// A session through a real sshd that sends back every line it is given.
final class EchoingSession: Sendable {
    private let server: SSHDFixture
    private let client: RunningProgram
    private let input: OpenFile

    /// Opens it, with an sshd of its own in `folder`.
    init(_ folder: String) async throws {
        try Directory.create(folder + "/sshd_config.d", mode: 0o755)
        let key = TestKey("user")
        try AtomicFile.write(Array((try key.ssh.line + "\n").utf8), to: folder + "/keys", mode: 0o644)
        try AtomicFile.write(
            Array("AuthorizedKeysFile \(folder)/keys\n".utf8),
            to: folder + "/sshd_config.d/keys.conf",
            mode: 0o644
        )
        server = try await SSHDFixture(in: folder)
        let ends = try Pipe()
        let words =
            server.arguments() + (try server.identity(key, nil)) + ["-T", "\(SSHDFixture.user)@127.0.0.1", "exec cat"]
        client = try RunningProgram("/usr/bin/ssh", words, input: ends.readEnd, log: folder + "/session")
        input = ends.keepWriteEnd()
        guard try await answer(to: "welcome", within: .seconds(60)) != nil else {
            throw RunningProgram.Failure("no session: \(client.output)\n\(server.log)")
        }
    }

    /// Sends one line after another until it is over; how many came back, and how long the slowest took.
    func echo(until isOver: @Sendable () -> Bool) async throws -> (count: Int, worst: Duration) {
        var count = 0
        var worst = Duration.zero
        repeat {
            count += 1
            guard let time = try await answer(to: "line \(count)", within: .seconds(60)) else {
                throw RunningProgram.Failure("line \(count) did not come back: \(client.output.suffix(200))")
            }
            worst = max(worst, time)
            try await Task.sleep(for: .milliseconds(50))
        } while !isOver()
        return (count, worst)
    }

    /// Closes it.
    func end() async {
        await client.end()
        await server.end()
    }

    private func answer(to line: String, within timeout: Duration) async throws -> Duration? {
        let start = ContinuousClock.now
        try input.write(Array((line + "\n").utf8))
        while ContinuousClock.now - start < timeout {
            if client.output.hasSuffix(line + "\n") { return ContinuousClock.now - start }
            if let status = await client.exit(within: .milliseconds(2)) {
                throw RunningProgram.Failure("the session ended with status \(status): \(client.output.suffix(200))")
            }
        }
        return nil
    }
}
