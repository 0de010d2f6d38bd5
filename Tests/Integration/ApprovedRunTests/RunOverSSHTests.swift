import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// `muster run --over ssh` with the real programs and a real sshd.
@Suite("Approved commands over SSH, end to end", .enabled(if: SSHDFixture.obstacle == nil, "a real sshd is needed"))
struct RunOverSSHTests {
    @Test("This machine carries a run out over SSH, no agent does, and the history has it all the same")
    func overSSH() async throws { try await Self.run(Self.check) }

    @Test("Ctrl-C ends the process on the node and the run, says so, and exits with the status for a run not done")
    func interrupted() async throws { try await Self.run(Self.interrupt) }

    /// Runs a test with a fleet whose one node has an sshd that its agent looks after.
    private static func run(_ test: @escaping @Sendable (RunFleet, SSHDFixture) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        // The principals command runs as nobody, who must be able to pass.
        chmod(folder.path, 0o711)
        let sshd = try await SSHDFixture(in: folder.file("sshd"))
        var placement = FleetPlacement()
        placement.agentSettings = """
            , "ssh": {"on": true, "sshd_config": "\(sshd.configuration)", "log": "\(sshd.logFile)", "check_seconds": 1}
            """
        do {
            try await RunFleet.run(["web-1"], placement: placement) { fleet in
                try await waitForSSHD(fleet)
                try await test(fleet, sshd)
            }
        } catch {
            await sshd.end()
            throw RunningProgram.Failure("\(error)\n--- sshd\n\(sshd.log.suffix(4000))")
        }
        await sshd.end()
    }

    private static func options(_ sshd: SSHDFixture) -> [String] {
        ["--on", "*", "--over", "ssh", "--ssh-port", "\(sshd.port)", "--yes"]
    }

    @Sendable private static func check(_ fleet: RunFleet, _ sshd: SSHDFixture) async throws {
        let over = options(sshd)
        let outcome = try await fleet.run(["greet"] + over + ["--", "words=good day", "words=*$HOME;id"])
        #expect(outcome.status == 0, "\(outcome.text)")
        #expect(outcome.output == "web-1: good day *$HOME;id\n", "\(outcome.text)")
        #expect(outcome.errors.contains("  over SSH, from the machine of whoever asks\n"), "\(outcome.text)")
        let failing = try await fleet.run(["leave"] + over + ["--", "status=7"])
        #expect(failing.status == 10 && failing.errors.contains("exited with status 7"), "\(failing.text)")
        let secret = try fleet.fleet.folder.write("secret", "correct-horse\n".utf8)
        let refused = try await fleet.run(
            ["password"] + over + ["--accept-new-node-keys", "--secret-file", "password=\(secret)"]
        )
        #expect(refused.status == 1 && refused.errors.contains("cannot be run over SSH"), "\(refused.text)")
        let show = try await fleet.run(["show", try await fleet.newest()], as: "ben")
        #expect(show.output.contains("exited with status 7"), "\(show.text)")
        let list = try await fleet.run(["list", "--command", "greet"], as: "ben")
        #expect(list.output.contains("succeeded"), "\(list.text)")
    }

    @Sendable private static func interrupt(_ fleet: RunFleet, _ sshd: SSHDFixture) async throws {
        let log = fleet.fleet.folder.file("interrupted.log")
        let file = fleet.fleet.folder.file("process")
        let program = try RunningProgram(
            try BuiltProgram("muster").path,
            ["run", "linger"] + options(sshd) + ["--", "file=\(file)"],
            environment: fleet.environment("ada"),
            log: log
        )
        do {
            let id = try await fleet.newest()
            try await fleet.wait(for: id, within: 120) { RunFleet.states($0)["web-1"] == "started" }
            let pid = try await process(fleet)
            program.signal(SIGINT)
            let status = try #require(await program.exit(within: .seconds(120)), "\(program.output)")
            // 11: not every node ran it; 130 is for runs that go on without this program.
            #expect(status == 11, "\(program.output)")
            #expect(program.output.contains("ending the processes; once more ends this program at once"))
            #expect(program.output.contains("cancelled"), "\(program.output)")
            #expect(try !sleeps(pid), "the process goes on")
            let record = try await fleet.record(id)
            // Its one node's outcome is there before the run is cancelled as a whole.
            #expect(["cancelled", "failed"].contains(record["state"]?.text), "\(record.prettyText)")
            #expect(RunFleet.states(record) == ["web-1": "cancelled"], "\(record.prettyText)")
        } catch {
            await program.end()
            throw RunningProgram.Failure("\(error)\n--- muster run\n\(program.output)")
        }
    }

    /// The id of the process on the node, once it sleeps.
    private static func process(_ fleet: RunFleet) async throws -> String {
        for _ in 0..<600 {
            if let pid = try fleet.lines(of: "process").first, try sleeps(pid) { return pid }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw RunningProgram.Failure("the command did not begin on the node")
    }

    /// Whether the process that wrote its id into the file still sleeps.
    private static func sleeps(_ pid: String) throws -> Bool {
        let words = try BoundedFile.readIfPresent("/proc/\(pid)/cmdline", limit: 4096) ?? []
        return String(decoding: words, as: UTF8.self).hasPrefix("sleep\0")
    }

    /// Until the node has proved that its sshd is as it should be, `explain` says what is missing.
    private static func waitForSSHD(_ fleet: RunFleet) async throws {
        var last = ""
        for _ in 0..<240 {
            let result = try await Command(
                try BuiltProgram("muster").path,
                ["ssh", "explain", "--as", RunFleet.account, "--on", "web-1"],
                environment: fleet.environment("ada")
            ).run(timeout: .seconds(60))
            last = result.outputText + result.errorText
            if !last.contains("missing:"), !last.contains("muster:") { return }
            try await Task.sleep(for: .milliseconds(500))
        }
        throw RunningProgram.Failure("sshd was not set up:\n\(last)")
    }
}
