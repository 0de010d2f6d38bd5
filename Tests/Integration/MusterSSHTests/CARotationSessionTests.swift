import CLinux
import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// Both CAs are replaced while people work, with the real programs.
@Suite("CARotationTests with live sessions", .enabled(if: SSHDFixture.obstacle == nil, "a real sshd is needed"))
struct CARotationSessionTests {
    @Test("The user CA and the host CA are replaced under a live session, which never drops; logins work at every step")
    func underLiveSession() async throws {
        try await SSHFleetFixture.run { fixture in
            let session = try await LiveSession(fixture)
            do {
                for kind in ["user", "host"] {
                    let before = try await Self.signing(kind, fixture)
                    for step in ["announce", "sign", "retire"] {
                        try await Self.rotate(kind, step, fixture)
                        try await session.echo()
                        let login = try await fixture.ssh("echo welcome", ["--new", "--life", "30s"])
                        #expect(login.status == 0 && login.output == "welcome\n", "\(kind), \(step): \(login.text)")
                    }
                    #expect(try await Self.signing(kind, fixture) != before, "another \(kind) CA signs")
                    #expect(try await Self.count(kind, fixture) == 1)
                }
                try await session.echo()
            } catch {
                let said = session.output
                await session.end()
                throw RunningProgram.Failure("\(error)\n--- session\n\(said)")
            }
            await session.end()
        }
    }

    @Test("A rotation goes back while the old key is trusted, and a step that waits names what it waits for")
    func rollBack() async throws {
        try await SSHFleetFixture.run { fixture in
            let before = try await Self.signing("user", fixture)
            let login = try await fixture.ssh("echo welcome", ["--life", "10m"])
            #expect(login.output == "welcome\n", "\(login.text)")
            try await Self.rotate("user", "announce", fixture)
            try await Self.rotate("user", "sign", fixture)
            let early = try await fixture.run(["ssh", "rotate", "user", "retire"] + fixture.fleet.passphrase)
            #expect(early.status == 1 && early.text.contains("ada: certificate"), "\(early.text)")
            try await Self.rotate("user", "roll-back", fixture)
            #expect(try await Self.signing("user", fixture) == before)
            let after = try await fixture.ssh("echo welcome", ["--new"])
            #expect(after.output == "welcome\n", "\(after.text)")
        }
    }

    private static func rotate(_ kind: String, _ step: String, _ fixture: SSHFleetFixture) async throws {
        let outcome = try await fixture.run(
            ["ssh", "rotate", kind, step, "--wait", "100s"] + fixture.fleet.passphrase
        )
        guard outcome.status == 0 else { throw RunningProgram.Failure("rotate \(kind) \(step): \(outcome.text)") }
    }

    private static func authorities(_ kind: String, _ fixture: SSHFleetFixture) async throws -> [JSONValue] {
        guard case .array(let found)? = try await fixture.json(["ssh", "status"])["trust"]?[kind + "_ca"] else {
            return []
        }
        return found
    }

    private static func signing(_ kind: String, _ fixture: SSHFleetFixture) async throws -> JSONValue? {
        try await authorities(kind, fixture).first { $0["phase"] == "signing" }?["public_key"]
    }

    private static func count(_ kind: String, _ fixture: SSHFleetFixture) async throws -> Int {
        try await authorities(kind, fixture).count
    }
}

/// A session opened by `muster ssh` whose lines come back.
actor LiveSession {
    private nonisolated let program: RunningProgram
    private let input: OpenFile
    private var lines = 0

    init(_ fixture: SSHFleetFixture) async throws {
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw SystemError("create", "a pipe", errno: errno) }
        let reading = OpenFile(descriptor: ends[0], path: "pipe")
        input = OpenFile(descriptor: ends[1], path: "pipe")
        program = try RunningProgram(
            try BuiltProgram("muster").path,
            ["ssh", "-p", "\(fixture.sshd.port)", "--life", "30s", "root@\(SSHFleetFixture.node)", "exec cat"],
            environment: fixture.environment("ada"),
            input: reading,
            log: fixture.folder.file("session.log")
        )
        try await echo()
    }

    nonisolated var output: String { program.output }

    /// Sends a line and waits until it comes back through the one session.
    func echo() async throws {
        lines += 1
        let bytes = Array("line \(lines)\n".utf8)
        guard write(input.descriptor, bytes, bytes.count) == bytes.count else {
            throw SystemError("write to", "the session", errno: errno)
        }
        let deadline = ContinuousClock.now + .seconds(60)
        while !program.output.contains("line \(lines)\n") {
            if let status = await program.exit(within: .zero) {
                throw RunningProgram.Failure("the session ended with status \(status)")
            }
            guard ContinuousClock.now < deadline else {
                throw RunningProgram.Failure("line \(lines) did not come back")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func end() async { await program.end() }
}
