import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// What hangs here sleeps for ten minutes; the time limit is far from that, and far from what a busy machine needs.
@Suite(.timeLimit(.minutes(60))) struct CommandTests {
    @Test("arguments, environment, input and both outputs arrive as given, and nothing else is inherited")
    func plain() async throws {
        setenv("MUSTER_TEST_SECRET", "leaked", 1)
        let script = "cat; echo \"$1|$GIVEN|$MUSTER_TEST_SECRET\"; echo bad >&2; exit 3"
        let command = Command(
            "/bin/sh",
            ["-c", script, "sh", "a b"],
            environment: ["PATH": "/usr/bin:/bin", "GIVEN": "x y"],
            input: Array("in\n".utf8)
        )
        let result = try await command.run(timeout: .seconds(120))
        #expect(result.ending == .exited(3))
        #expect(result.outputText == "in\na b|x y|\n")
        #expect(result.errorText == "bad\n")
        #expect(!result.succeeded)
    }

    @Test("open files are inherited from descriptor 3 on, all others are closed")
    func inherited() async throws {
        let folder = try TemporaryFolder()
        let first = try OpenFile(try folder.write("first", "one".utf8))
        let second = try OpenFile(try folder.write("second", "two".utf8))
        let command = Command(
            "/bin/sh",
            ["-c", "cat /proc/self/fd/3 /proc/self/fd/4; ls /proc/$$/fd; true"],
            inherited: [first, second]
        )
        let result = try await command.run(timeout: .seconds(120))
        #expect(result.outputText == "onetwo0\n1\n2\n3\n4\n")
    }

    @Test("a program that reads its input to the end sees the end")
    func endOfInput() async throws {
        let input = [UInt8](repeating: 65, count: 300_000)
        let result = try await Command("/usr/bin/wc", ["-c"], input: input).run(timeout: .seconds(120))
        #expect(result.outputText == "300000\n")
        let unread = try await Command("/bin/true", input: input).run(timeout: .seconds(120))
        #expect(unread.succeeded)
    }

    @Test("a program that hangs is ended with everything it started")
    func hanging() async throws {
        let command = Command("/bin/sh", ["-c", "trap '' TERM; sleep 600 & echo $!; sleep 600"])
        let result = try await command.run(timeout: .milliseconds(400), grace: .milliseconds(200))
        #expect(result.timedOut)
        #expect(!result.succeeded)
        let child = try #require(pid_t(result.outputText.split(separator: "\n").first ?? ""))
        while kill(child, 0) == 0, !Self.isZombie(child) { try await Task.sleep(for: .milliseconds(20)) }
    }

    @Test("a descendant that keeps the pipes open does not hold us up")
    func lingering() async throws {
        let command = Command("/bin/sh", ["-c", "sleep 600 & echo $!"])
        let result = try await command.run(timeout: .seconds(600))
        #expect(!result.timedOut)
        kill(try #require(pid_t(result.outputText.split(separator: "\n").first ?? "")), SIGKILL)
    }

    @Test("of endless output the last bytes are kept")
    func bounded() async throws {
        let command = Command("/bin/sh", ["-c", "yes | head -c 1000000; echo; echo the end"])
        let result = try await command.run(timeout: .seconds(120), outputLimit: 1000)
        #expect(result.output.count == 1000)
        #expect(result.truncated)
        #expect(result.outputText.hasSuffix("the end\n"))
    }

    @Test("a program that does not read its input is no error; one that is missing is")
    func input() async throws {
        let large = [UInt8](repeating: 0x61, count: 1 << 20)
        #expect(try await Command("/bin/true", input: large).run(timeout: .seconds(120)).succeeded)
        await #expect(throws: SystemError.self) {
            try await Command("/no/such/program").run(timeout: .seconds(120))
        }
    }

    @Test("cancelling the task ends the program")
    func cancelled() async throws {
        let folder = try TemporaryFolder()
        let mark = folder.file("started")
        let command = Command("/bin/sh", ["-c", "echo > \"$1\"; exec sleep 600", "sh", mark])
        let task = Task { try await command.run(timeout: .seconds(600)) }
        while !Directory.exists(mark) { try await Task.sleep(for: .milliseconds(20)) }
        task.cancel()
        let result = try await task.value
        #expect(result.ending == .signalled(SIGTERM))
        #expect(!result.timedOut)
    }

    private static func isZombie(_ process: pid_t) -> Bool {
        guard let bytes = try? BoundedFile.read("/proc/\(process)/stat", limit: 4096) else { return true }
        return String(decoding: bytes, as: UTF8.self).contains(") Z ")
    }
}
