import AgentTestSupport
import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// What a process gets, and what is told of it.
@Suite(.serialized, .timeLimit(.minutes(60))) struct RunProcessTests {
    @Test("a command runs once, and its output and exit status reach the service in order")
    func runs() async throws {
        try await withRuns { node in
            let run = try node.asked("echo one; echo two >&2; sleep 0.1; echo three; exit 3")
            let outcome = try await node.outcome(run)
            #expect(outcome.state == .ended)
            #expect(outcome.exit == 3)
            #expect(outcome.result?.succeeded == false)
            #expect(outcome.result?.truncated == false)
            #expect(outcome.result?.outputBytes == 14)
            #expect(Set(try node.output(run).split(separator: "\n").prefix(2)) == ["one", "two"])
            #expect(try node.output(run).hasSuffix("three\n"))
            #expect(try node.service.states(run.statement.id).first == "started")
            #expect(try node.executions() == 1)
        }
    }

    @Test("a process that a signal ended says by which")
    func signalled() async throws {
        try await withRuns { node in
            let outcome = try await node.outcome(try node.asked("kill -11 $$"))
            #expect(outcome.result?.ending == .signalled(11))
        }
    }

    @Test("a process gets its own environment, folder, umask, group and three descriptors, and nothing of the agent's")
    func surroundings() async throws {
        try await withRuns { node in
            let script = """
                env | sort; pwd; umask; ulimit -c; ls /proc/self/fd | tr '\\n' ' '; echo
                cut -d' ' -f5,6 /proc/$$/stat | tr ' ' '\\n' | head -1; echo $$; cat; echo end
                """
            let run = try node.asked(
                script,
                extra: ["directory": "/tmp", "environment": ["LANG": "C.UTF-8"]]
            )
            try node.offer(run)
            // An agent of its own, whose environment is full of what must not come through.
            let leaks = ["MUSTER_LEAK": "leaked", "LD_BIND_NOW": "1", "BASH_ENV": "/no/such/file", "IFS": "x"]
            let agent = try BuiltProgram("muster-agent-crashing").path
            let log = node.folder.file("log")
            let words = ["run", node.folder.path]
            #expect(try await RunningProgram.run(agent, words, environment: leaks, log: log) == 0)
            #expect(try await node.untilEnded(run).exit == 0)
            let lines = try node.output(run).split(separator: "\n").map(String.init)
            let names = Set(
                lines.compactMap { $0.contains("=") ? $0.split(separator: "=").first.map(String.init) : nil }
            )
            #expect(names == ["HOME", "LANG", "LOGNAME", "MUSTER_RUN", "PATH", "PWD", "SHELL", "USER"])
            #expect(lines.contains("MUSTER_RUN=\(run.statement.id)"))
            let rest = Array(lines.drop { $0 != "/tmp" })
            try #require(rest.count == 7)
            #expect(rest[1] == "0022")
            #expect(rest[2] == "0")
            #expect(rest[3].hasPrefix("0 1 2 3"))
            #expect(rest[4] == rest[5], "the process leads its group")
            #expect(rest[6] == "end")
        }
    }

    @Test("a variable whose value begins with a mark reaches the process as it was signed, and under its own name only")
    func markedVariables() async throws {
        try await withRuns { node in
            let values = ["HOME": "\u{301}/x=1", "TARGET": "\u{301}web", "OTHER": "\u{200D}y", "LAST": "\u{FE0F}"]
            let run = try node.asked(
                "tr '\\0' '\\n' < /proc/$$/environ",
                extra: ["environment": .object(JSONObject(values.map { ($0.key, .string($0.value)) }))]
            )
            #expect(try await node.outcome(run).exit == 0)
            // Lines as bytes: as Strings, equal is what looks the same.
            let lines = try node.service.output(run.statement.id).split(separator: UInt8(ascii: "\n")).map(Array.init)
            for (name, value) in values {
                let own = lines.filter { $0.starts(with: Array((name + "=").utf8)) }
                #expect(own == [Array((name + "=" + value).utf8)], "\(name)")
            }
        }
    }

    @Test("a command runs as its user with that user's groups and no way back", .enabled(if: geteuid() == 0))
    func anotherUser() async throws {
        try await withRuns { node in
            chmod(node.folder.path, 0o755)
            try AtomicFile.write([], to: node.marks)
            chmod(node.marks, 0o666)
            let run = try node.asked("id -u; id -un; id -gn; id -G; echo $HOME; cat /etc/shadow", user: "nobody")
            let outcome = try await node.outcome(run)
            #expect(outcome.exit == 1)
            let lines = try node.output(run).split(separator: "\n").map(String.init)
            #expect(lines.prefix(4) == ["65534", "nobody", "nogroup", "65534"])
            #expect(lines.last?.contains("Permission denied") == true)
        }
    }

    @Test("a command of a user whom the node does not have is refused, and its id is not used up")
    func noSuchUser() async throws {
        try await withRuns { node in
            let run = try node.asked("true", user: "no-such-user")
            let outcome = try await node.outcome(run)
            #expect(outcome.state == .refused)
            #expect(outcome.reason == "this node has no user 'no-such-user'")
            #expect(try node.executions() == 0)
            #expect(!Directory.exists(node.paths.executed))
        }
    }

    @Test("a program that cannot be started is said to be so, with the step that failed")
    func cannotStart() async throws {
        try await withRuns { node in
            let missing = try await node.outcome(try node.asked("", extra: ["argv": ["/no/such/program"]]))
            #expect(missing.state == .notStarted)
            #expect(missing.reason == "cannot start /no/such/program: no such file or directory")
            let folder = try await node.outcome(try node.asked("true", extra: ["directory": "/no/such/folder"]))
            #expect(folder.state == .notStarted)
            #expect(folder.reason == "cannot enter the folder of /bin/sh: no such file or directory")
            #expect(try node.executions() == 0)
        }
    }

    @Test("secrets reach the process by input and environment, and never the output, the disk or its arguments")
    func secrets() async throws {
        try await withRuns { node in
            let secret = "correct horse battery staple"
            let script = """
                read line; test "$line" = "$PASSWORD" && echo same; echo "it is $line."
                printf 'correct hor'; sleep 0.2; printf 'se battery staple!\\n'; printf 'correct horse' >&2
                tr '\\0' ' ' < /proc/$$/cmdline | grep -c horse.batt
                """
            let run = try node.asked(
                script,
                extra: [
                    "input": "{password}\n", "environment": ["PASSWORD": "{password}"],
                    "parameters": ["password": ["type": "text", "pattern": "[a-z ]+", "secret": true]],
                ],
                sealed: ["password": secret]
            )
            let outcome = try await node.outcome(run)
            #expect(outcome.state == .ended, "\(outcome.reason)")
            let output = try node.output(run)
            #expect(output.contains("same\nit is ••••.\n••••!\n"))
            #expect(output.contains("correct horse"), "what is not the whole secret is not held back for ever")
            #expect(!output.contains(secret))
            for name in try Directory.entries(node.files(run).path) {
                let bytes = try BoundedFile.read(node.files(run).path + "/" + name, limit: 1 << 20)
                #expect(!String(decoding: bytes, as: UTF8.self).contains(secret), "\(name)")
            }
        }
    }

    @Test("a secret that does not fit its pattern is refused without being shown")
    func badSecret() async throws {
        try await withRuns { node in
            let run = try node.asked(
                "true",
                extra: [
                    "input": "{password}",
                    "parameters": ["password": ["type": "text", "pattern": "[a-z]+", "secret": true]],
                ],
                sealed: ["password": "UPPER"]
            )
            let outcome = try await node.outcome(run)
            #expect(outcome.state == .refused)
            #expect(outcome.reason == "secret 'password' does not match the pattern '[a-z]+'")
            #expect(try node.executions() == 0)
        }
    }

    @Test("output beyond the limit is dropped, and the process is not held up by it")
    func hugeOutput() async throws {
        try await withRuns { node in
            let run = try node.asked("head -c 30000000 /dev/zero | tr '\\0' x; echo >> \(node.marks)", output: 300_000)
            let outcome = try await node.outcome(run)
            #expect(outcome.exit == 0)
            #expect(outcome.result?.truncated == true)
            #expect(outcome.result?.outputBytes == 300_000)
            #expect(try node.service.output(run.statement.id).count == 300_000)
            #expect(try node.executions() == 2, "the script went on to its end")
        }
    }

    @Test("output that comes a byte at a time arrives in order while the process still runs")
    func slowOutput() async throws {
        try await withRuns { node in
            let go = node.folder.file("go")
            let script = """
                for word in a b c d e f g h; do printf $word; sleep 0.05; done
                while [ ! -e \(go) ]; do sleep 0.05; done; printf z
                """
            let run = try node.asked(script, timeout: 120)
            try node.offer(run)
            try await node.whileServing { _ in
                try await node.until("all but the last byte has come") {
                    try node.output(run) == "abcdefgh"
                }
                #expect(try node.service.lastUpdate(run.statement.id)?.state == .started)
                try AtomicFile.write([], to: go)
                #expect(try await node.untilEnded(run).exit == 0)
            }
            #expect(try node.output(run) == "abcdefghz")
            #expect(try node.executions() == 1)
        }
    }

    @Test("a process that forks again and again, into sessions of their own, is ended with all of them")
    func forks() async throws {
        try await withRuns { node in
            let count = node.folder.file("count")
            let script = """
                trap '' TERM
                for i in $(seq 60); do
                    setsid sh -c 'trap "" TERM; (echo >> \(count); while :; do sleep 1; done) & while :; do sleep 1; done' &
                done
                while :; do sleep 1; done
                """
            let run = try node.asked(script, timeout: 300)
            try node.offer(run)
            try await node.whileServing { _ in
                try await node.until("all of them run") {
                    try BoundedFile.readIfPresent(count, limit: 1000)?.count == 60
                }
                try node.offer(cancelled: [run.statement.id])
                let outcome = try await node.untilEnded(run)
                #expect(outcome.result?.cancelled == true)
                #expect(outcome.result?.ending == .signalled(SIGKILL))
                #expect(outcome.result?.note == "")
            }
            node.expectDead(count, run)
        }
    }

    @Test("a process that runs out of time gets TERM, and what ignores it gets KILL, with everything it started")
    func timeout() async throws {
        try await withRuns { node in
            let alive = node.folder.file("alive")
            let script = """
                trap '' TERM; setsid sh -c 'trap "" TERM; while :; do date +%N > \(alive); sleep 0.1; done' &
                while :; do sleep 1; done
                """
            let run = try node.asked(script, timeout: 20)
            let outcome = try await node.outcome(run)
            #expect(outcome.result?.timedOut == true)
            #expect(outcome.result?.ending == .signalled(SIGKILL))
            node.expectDead(alive, run)
        }
    }

    @Test("a daemon that keeps the pipes open does not hold the run up, and lives on")
    func daemon() async throws {
        try await withRuns { node in
            let pid = node.folder.file("pid")
            // Before it has a session of its own it is one of the group's leftovers.
            let script = """
                setsid sh -c '(echo $$ > \(pid); sleep 300)' & while [ ! -s \(pid) ]; do sleep 0.02; done; echo started
                """
            let began = MonotonicClock.milliseconds()
            let run = try node.asked(script, timeout: 60)
            let outcome = try await node.outcome(run)
            #expect(outcome.exit == 0)
            #expect(MonotonicClock.milliseconds() - began < 240_000)
            #expect(try node.output(run) == "started\n")
            try await node.until("the daemon has said who it is") { Directory.exists(pid) }
            let text = String(decoding: try BoundedFile.read(pid, limit: 20), as: UTF8.self)
            let daemon = try #require(pid_t(text.split(separator: "\n").first ?? ""))
            #expect(kill(daemon, 0) == 0)
            kill(-daemon, SIGKILL)
        }
    }

    @Test("what a process leaves behind in its own group is ended with it")
    func leftovers() async throws {
        try await withRuns { node in
            let alive = node.folder.file("alive")
            let script = """
                (while :; do date +%N > \(alive); sleep 0.1; done) & while [ ! -e \(alive) ]; do sleep 0.02; done; echo done
                """
            let run = try node.asked(script)
            let outcome = try await node.outcome(run)
            #expect(outcome.exit == 0)
            #expect(outcome.result?.note == "processes that it left behind in its group were ended")
            node.expectDead(alive, run)
        }
    }

    @Test("a process that closes its output is waited for all the same")
    func closedOutput() async throws {
        try await withRuns { node in
            let run = try node.asked("exec >&- 2>&-; sleep 0.5; exit 7")
            let outcome = try await node.outcome(run)
            #expect(outcome.exit == 7)
            #expect((outcome.result?.milliseconds ?? 0) >= 400)
        }
    }
}

extension RunNode {
    /// The process that wrote `file` was alive, and nothing of the run is any more: every process of a run carries its id.
    func expectDead(_ file: String, _ run: SignedStatement) {
        #expect(Directory.exists(file), "the process never ran")
        let left = ProcessTable().entries.filter { entry in
            !entry.isEnded && ProcessTable.environment(of: entry.id, contains: "MUSTER_RUN=\(run.statement.id)")
        }
        #expect(left.isEmpty, "processes are still alive: \(left.map(\.id))")
    }
}
