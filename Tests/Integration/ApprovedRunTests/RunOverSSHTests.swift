import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// `muster run --over ssh` with the real programs and a real sshd.
@Suite("Approved commands over SSH, end to end", .enabled(if: SSHDFixture.obstacle == nil, "a real sshd is needed"))
struct RunOverSSHTests {
    @Test("This machine carries a run out over SSH, no agent does, and the history has it all the same")
    func overSSH() async throws {
        let folder = try TemporaryFolder()
        // The principals command runs as nobody, who must be able to pass.
        chmod(folder.path, 0o711)
        let sshd = try await SSHDFixture(in: folder.file("sshd"))
        var placement = FleetPlacement()
        placement.agentSettings = """
            , "ssh": {"on": true, "sshd_config": "\(sshd.configuration)", "log": "\(sshd.logFile)", "check_seconds": 1}
            """
        do {
            try await RunFleet.run(["web-1"], placement: placement) { fleet in try await Self.check(fleet, sshd) }
        } catch {
            await sshd.end()
            throw RunningProgram.Failure("\(error)\n--- sshd\n\(sshd.log.suffix(4000))")
        }
        await sshd.end()
    }

    private static func check(_ fleet: RunFleet, _ sshd: SSHDFixture) async throws {
        try await waitForSSHD(fleet)
        let over = ["--on", "*", "--over", "ssh", "--ssh-port", "\(sshd.port)", "--yes"]
        let outcome = try await fleet.run(["greet"] + over + ["--", "words=good day", "words=*$HOME;id"])
        #expect(outcome.status == 0, "\(outcome.text)")
        #expect(outcome.output == "web-1: good day *$HOME;id\n", "\(outcome.text)")
        #expect(outcome.errors.contains("  over SSH, from the machine of whoever asks\n"), "\(outcome.text)")
        let failing = try await fleet.run(["leave"] + over + ["--", "status=7"])
        #expect(failing.status == 10 && failing.errors.contains("exited with status 7"), "\(failing.text)")
        let secret = try fleet.fleet.folder.write("secret", "correct-horse\n".utf8)
        let refused = try await fleet.run(["password"] + over + ["--secret-file", "password=\(secret)"])
        #expect(refused.status == 1 && refused.errors.contains("cannot be run over SSH"), "\(refused.text)")
        let show = try await fleet.run(["show", try await fleet.newest()], as: "ben")
        #expect(show.output.contains("exited with status 7"), "\(show.text)")
        let list = try await fleet.run(["list", "--command", "greet"], as: "ben")
        #expect(list.output.contains("succeeded"), "\(list.text)")
    }

    /// Until the node has proved that its sshd is as it should be, `explain` says what is missing.
    private static func waitForSSHD(_ fleet: RunFleet) async throws {
        var last = ""
        for _ in 0..<120 {
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
