import Glibc
import MusterSystem
import MusterTestSupport
import Testing

@Suite struct CommandTests {
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
        let result = try await command.run(timeout: .seconds(20))
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
        let result = try await command.run(timeout: .seconds(20))
        #expect(result.outputText == "onetwo0\n1\n2\n3\n4\n")
    }

    @Test("a program that reads its input to the end sees the end")
    func endOfInput() async throws {
        let input = [UInt8](repeating: 65, count: 300_000)
        let result = try await Command("/usr/bin/wc", ["-c"], input: input).run(timeout: .seconds(60))
        #expect(result.outputText == "300000\n")
        let unread = try await Command("/bin/true", input: input).run(timeout: .seconds(60))
        #expect(unread.succeeded)
    }

    @Test("a program that hangs is ended with everything it started")
    func hanging() async throws {
        let started = MonotonicClock.milliseconds()
        let command = Command("/bin/sh", ["-c", "trap '' TERM; sleep 600 & echo $!; sleep 600"])
        let result = try await command.run(timeout: .milliseconds(400), grace: .milliseconds(200))
        #expect(result.timedOut)
        #expect(!result.succeeded)
        #expect(MonotonicClock.milliseconds() - started < 20000)
        let child = try #require(pid_t(result.outputText.split(separator: "\n").first ?? ""))
        var isGone = false
        for _ in 0..<100 where !isGone {
            isGone = kill(child, 0) != 0 || Self.isZombie(child)
            if !isGone { try await Task.sleep(for: .milliseconds(20)) }
        }
        #expect(isGone)
    }

    @Test("a descendant that keeps the pipes open does not hold us up")
    func lingering() async throws {
        let started = MonotonicClock.milliseconds()
        let command = Command("/bin/sh", ["-c", "sleep 30 & echo done"])
        let result = try await command.run(timeout: .seconds(60))
        #expect(result.outputText == "done\n")
        #expect(MonotonicClock.milliseconds() - started < 15000)
    }

    @Test("of endless output the last bytes are kept")
    func bounded() async throws {
        let command = Command("/bin/sh", ["-c", "yes | head -c 1000000; echo; echo the end"])
        let result = try await command.run(timeout: .seconds(30), outputLimit: 1000)
        #expect(result.output.count == 1000)
        #expect(result.truncated)
        #expect(result.outputText.hasSuffix("the end\n"))
    }

    @Test("a program that does not read its input is no error; one that is missing is")
    func input() async throws {
        let large = [UInt8](repeating: 0x61, count: 1 << 20)
        #expect(try await Command("/bin/true", input: large).run(timeout: .seconds(20)).succeeded)
        await #expect(throws: SystemError.self) {
            try await Command("/no/such/program").run(timeout: .seconds(1))
        }
    }

    @Test("cancelling the task ends the program")
    func cancelled() async throws {
        let task = Task { try await Command("/bin/sleep", ["600"]).run(timeout: .seconds(600)) }
        try await Task.sleep(for: .milliseconds(200))
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
