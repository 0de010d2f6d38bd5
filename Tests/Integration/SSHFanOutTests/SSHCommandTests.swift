import ByteCoding
import Glibc
import MusterModel
import MusterSystem
import MusterTestSupport
import RemoteShell
import Testing

extension SSHFanOutTests {
    @Suite("One command over SSH", .enabled(if: SSHDFixture.obstacle == nil))
    struct CommandTests {
        private let shell: RemoteShell

        init() throws {
            shell = try RemoteShell()
        }

        /// Runs a line on a new machine; a forced one where `forced`.
        private func run(
            _ command: RemoteCommand,
            forced: Bool = true
        ) async throws -> (outcome: RemoteOutcome, output: Gathered) {
            try await SSHMachines.with { machines in
                let identity = try SSHMachines.identity { if forced { $0.forceCommand = command.line } }
                let session = try await shell.connect(try machines.host(), as: identity)
                let output = Gathered()
                return (try await session.run(command, onOutput: output.take), output)
            }
        }

        @Test("Words reach the command as they are, whatever they hold, and so do environment, folder and input")
        func quoting() async throws {
            let words = [
                "it's", "a  b", "$HOME `id` $(id)", "\\n \\' \\\\", "!!", "*", "~root", "\"", "", "-n",
                "\u{FC} \u{20AC}",
                "a=b", "{x}", "#", ";", "&", "|",
            ]
            let script =
                "import os, sys; e = os.environb; rest = [e[b'GREETING'], os.getcwdb(), sys.stdin.buffer.read(), "
                + "b' '.join(sorted(set(e) - {b'LC_CTYPE'}))]; "
                + "[print(w.hex()) for w in [os.fsencode(a) for a in sys.argv[1:]] + rest]"
            let input = "1% of \\it\n'two'\t\"3\"\n09\n"
            let line = try SSHMachines.line(
                ["/usr/bin/python3", "-c", script] + words,
                environment: ["GREETING": "it's \\me $HOME"],
                input: input,
                directory: "/usr/lib"
            )
            let (outcome, output) = try await run(RemoteCommand(line))
            #expect(outcome.status == .exited(0), "\(output.text(.error))")
            let variables = "GREETING HOME LOGNAME MUSTER_RUN PATH SHELL USER"
            let expected = words + ["it's \\me $HOME", "/usr/lib", input, variables]
            let lines = output.text().split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.dropLast().map(String.init) == expected.map { Hex.encode(Array($0.utf8)) })
        }

        @Test("Output comes as it is written, both streams in order, and nobody waits for the end")
        func streaming() async throws {
            let script = "echo one; sleep 0.7; echo two >&2; sleep 0.7; echo three; exit 3"
            let (outcome, output) = try await run(RemoteCommand(try SSHMachines.line(["/bin/sh", "-c", script])))
            #expect(outcome.status == .exited(3))
            #expect(
                output.all.map(\.piece) == [
                    RemoteOutput(.output, Array("one\n".utf8)), RemoteOutput(.error, Array("two\n".utf8)),
                    RemoteOutput(.output, Array("three\n".utf8)),
                ]
            )
            let moments = output.all.map(\.moment)
            #expect(zip(moments, moments.dropFirst()).allSatisfy { $1 - $0 > .milliseconds(300) })
        }

        @Test("Of huge output as much is handed on as was allowed, and the rest is counted")
        func hugeOutput() async throws {
            let size = 20_000_000
            let line = try SSHMachines.line(["/usr/bin/head", "-c", "\(size)", "/dev/zero"])
            let (outcome, output) = try await run(RemoteCommand(line, outputLimit: 100_000))
            #expect(outcome.status == .exited(0))
            #expect(outcome.outputBytes == 100_000 && outcome.droppedBytes == size - 100_000)
            #expect(output.all.reduce(0) { $0 + $1.piece.bytes.count } == 100_000)
        }

        @Test("A megabyte of input reaches a command that is slow to read it")
        func input() async throws {
            let input = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let command = RemoteCommand("sleep 0.5; wc -c; echo done", input: input)
            let (outcome, output) = try await run(command, forced: false)
            #expect(outcome.status == .exited(0))
            #expect(output.text() == "1000000\ndone\n")
        }

        @Test("The time of the policy ends a command on its node, and one that ignores TERM is killed")
        func timeout() async throws {
            let polite = RemoteCommand(try SSHMachines.line(["/bin/sleep", "30"], timeout: 1))
            let (outcome, _) = try await run(polite)
            #expect(outcome.status == .exited(124) && outcome.stop == nil)
        }

        @Test("What a command leaves running, out of its process group and with its output open, holds nobody up")
        func leftBehind() async throws {
            let script = "setsid sleep 20 & echo $!; exit 4"
            let (outcome, output) = try await run(RemoteCommand(try SSHMachines.line(["/bin/sh", "-c", script])))
            #expect(outcome.status == .exited(4) && outcome.stop == nil)
            let pid = try #require(pid_t(output.text().filter { !$0.isNewline }))
            #expect(kill(pid, SIGKILL) == 0)
        }

        @Test("A signal that ends a command is told")
        func signal() async throws {
            let (plain, _) = try await run(RemoteCommand("exec /bin/sh -c 'kill -9 $$'"), forced: false)
            #expect(plain.status == .signalled("KILL"))
            let (wrapped, output) = try await run(RemoteCommand(try SSHMachines.line(["/bin/sh", "-c", "kill -9 $$"])))
            #expect(wrapped.status == .exited(137))
            #expect(output.all.isEmpty)
        }

        @Test("Cancelling ends the process and what it started, also where it ignores TERM")
        func cancel() async throws {
            for trap in ["", "trap '' TERM; "] {
                let script = trap + "sleep 60 & echo $$ $!; while :; do sleep 0.2; done"
                var command = RemoteCommand(try SSHMachines.line(["/bin/sh", "-c", script]))
                command.stopInput = ResolvedCommand.stopInput
                command.grace = .seconds(10)
                let (outcome, pids) = try await cancelled(command)
                #expect(outcome.stop == .cancelled)
                #expect(outcome.status == .exited(trap.isEmpty ? 143 : 137))
                #expect(pids.count == 2)
                for pid in pids { #expect(await hasEnded(pid)) }
            }
        }

        @Test("A command whose client is gone goes on to its end")
        func clientGone() async throws {
            try await SSHMachines.with { machines in
                let file = machines.folder.file("written")
                let line = try SSHMachines.line(["/bin/sh", "-c", "echo begun; sleep 1; echo end >\(file)"])
                let identity = try SSHMachines.identity { $0.forceCommand = line }
                let session = try await shell.connect(try machines.host(), as: identity)
                let output = Gathered()
                async let outcome = session.run(RemoteCommand(line), onOutput: output.take)
                while output.all.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
                session.close()
                #expect(try await outcome.status == nil)
                #expect(try await outcome.stop == .cancelled)
                for _ in 0..<6000 where access(file, F_OK) != 0 { try await Task.sleep(for: .milliseconds(10)) }
                #expect(access(file, F_OK) == 0)
            }
        }

        @Test("An sshd that is killed in the middle leaves an outcome that says so")
        func serverGone() async throws {
            try await SSHMachines.with { machines in
                let identity = try SSHMachines.identity()
                let session = try await shell.connect(try machines.host(), as: identity)
                // The parent of the login shell is the session's sshd.
                let outcome = try await session.run(RemoteCommand("kill -9 $PPID; sleep 5"))
                guard case .disconnected = outcome.stop else { return #expect(Bool(false), "\(outcome)") }
                #expect(outcome.status == nil)
                let error = await #expect(throws: RemoteShellError.self) {
                    try await session.run(RemoteCommand("true"))
                }
                #expect(error?.code == .session)
            }
        }

        /// Runs a command that prints process ids, and cancels it then.
        private func cancelled(_ command: RemoteCommand) async throws -> (RemoteOutcome, [pid_t]) {
            try await SSHMachines.with { machines in
                let identity = try SSHMachines.identity { $0.forceCommand = command.line }
                let session = try await shell.connect(try machines.host(), as: identity)
                let output = Gathered()
                let task = Task { try await session.run(command, onOutput: output.take) }
                while output.all.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
                task.cancel()
                let outcome = try await task.value
                return (outcome, output.text().split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) })
            }
        }

        private func hasEnded(_ pid: pid_t) async -> Bool {
            for _ in 0..<6000 {
                if kill(pid, 0) != 0 { return true }
                try? await Task.sleep(for: .milliseconds(10))
            }
            return false
        }
    }
}
