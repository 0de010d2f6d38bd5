import CanonicalJSON
import Glibc
import MusterTestSupport
import Testing

/// Approved commands with the real musterd, muster and muster-agent.
@Suite("Approved commands, end to end", .serialized)
struct ApprovedRunTests {
    @Test("A run on a subset of nodes by a selector shows their output as it comes, and its result to scripts")
    func subset() async throws {
        try await RunFleet.run(["web-1", "web-2", "web-3"]) { fleet in
            let outcome = try await fleet.run(
                ["greet", "--on", "tag:web and not node:web-2", "--yes", "--", "words=good day", "words=*$HOME"]
            )
            #expect(outcome.status == 0, "\(outcome.text)")
            // Neither split nor expanded: no shell has seen it.
            #expect(outcome.lines == ["web-1: good day *$HOME", "web-3: good day *$HOME"], "\(outcome.text)")
            #expect(outcome.errors.contains("greet as \(RunFleet.account) on 2 nodes: web-[1,3]\n"), "\(outcome.text)")
            #expect(outcome.errors.contains("2 nodes exited with status 0: web-[1,3]\n"), "\(outcome.text)")

            let folded = try await fleet.run(
                ["greet", "--on", "arch=\(Self.architecture)", "--yes", "--fold", "--", "words=hello"]
            )
            #expect(folded.output == "==> web-[1-3]: exited with status 0\nhello\n", "\(folded.text)")

            let json = try await fleet.run(["greet", "--on", "1 of tag:web", "--yes", "--json", "--", "words=a"])
            let lines = try json.output.split(separator: "\n").map { try JSONValue.parse(Array($0.utf8), limit: 65536) }
            #expect(lines.first?["type"] == "asked" && lines.last?["type"] == "end", "\(json.text)")
            #expect(lines.contains { $0["type"] == "output" && $0["text"] == "a" && $0["name"] == "web-1" })
            #expect(lines.last?["exit"] == 0)
        }
    }

    @Test("Statuses, signals, timeouts and output limits are what they are, and scripts learn of them")
    func endings() async throws {
        try await RunFleet.run(["web-1"]) { fleet in
            let status = try await fleet.run(["leave", "--on", "*", "--yes", "--", "status=7"])
            #expect(status.status == 10 && status.errors.contains("exited with status 7"), "\(status.text)")
            let signal = try await fleet.run(["leave", "--on", "*", "--yes", "--", "status=0", "signal=KILL"])
            #expect(signal.status == 10 && signal.errors.contains("was ended by signal 9"), "\(signal.text)")
            let timeout = try await fleet.run(["hurry", "--on", "*", "--yes"])
            #expect(timeout.status == 10 && timeout.errors.contains("ran out of time"), "\(timeout.text)")
            #expect(timeout.output == "web-1: begun\n", "\(timeout.text)")
            let flood = try await fleet.ask(["flood", "--on", "*"])
            let record = try await fleet.wait(for: flood) { $0["ended"] != nil }
            guard case .array(let nodes)? = record["nodes"] else { return #expect(Bool(false), "\(record.prettyText)") }
            #expect(nodes[0]["result"]?["truncated"] == true, "\(record.prettyText)")
            #expect(nodes[0]["result"]?["output_bytes"] == 2048, "\(record.prettyText)")
        }
    }

    @Test("The process has its own user, folder, environment and nothing to read, and inherits nothing")
    func surroundings() async throws {
        try await RunFleet.run(["web-1"]) { fleet in
            let outcome = try await fleet.run(["surroundings", "--on", "*", "--yes", "--env", "DEBUG=two words"])
            #expect(outcome.status == 0, "\(outcome.text)")
            let lines = outcome.output.split(separator: "\n").map { String($0.dropFirst("web-1: ".count)) }
            #expect(
                lines.first == RunFleet.other && lines.contains("/usr") && lines.contains("0022"),
                "\(outcome.text)"
            )
            #expect(lines.contains("DEBUG=two words") && lines.contains("LANG=C.UTF-8"), "\(outcome.text)")
            #expect(lines.contains("USER=\(RunFleet.other)"), "\(outcome.text)")
            #expect(lines.contains { $0.hasPrefix("MUSTER_RUN=") }, "\(outcome.text)")
            let names = Set(lines.filter { $0.contains("=") }.map { String($0.prefix { $0 != "=" }) })
            let known: Set<String> = [
                "DEBUG", "HOME", "LANG", "LOGNAME", "MUSTER_RUN", "PATH", "PWD", "SHELL", "USER", "LC_ALL", "OLDPWD",
                "SHLVL", "_",
            ]
            #expect(names.isSubset(of: known), "\(names.subtracting(known))")
            // 0, 1, 2, and the one by which `ls` reads the folder.
            #expect(lines.filter { Int($0) != nil && $0 != "0022" } == ["0", "1", "2", "3"], "\(outcome.text)")
            #expect(outcome.errors.contains("web-1: to errors\n"), "\(outcome.text)")
        }
    }

    @Test("A secret reaches the process alone: not the statement, not the output, not the disk of anybody")
    func secrets() async throws {
        try await RunFleet.run(["web-1", "web-2"]) { fleet in
            let secret = "correct-horse-battery"
            let file = try fleet.fleet.folder.write("secret", (secret + "\n").utf8)
            let outcome = try await fleet.run(
                [
                    "password", "--on", "*", "--yes", "--accept-new-node-keys", "--secret-file", "password=\(file)",
                ]
            )
            #expect(outcome.status == 0, "\(outcome.text)")
            #expect(outcome.output.contains("web-1: got •••• here\n"), "\(outcome.text)")
            #expect(outcome.output.contains("web-2: \(secret.utf8.count)\n"), "\(outcome.text)")
            #expect(!outcome.text.contains(secret))
            unlink(file)
            let found = try await fleet.holders(of: secret)
            #expect(found.isEmpty, "\(found)")
        }
    }

    @Test("A run that needs approval waits for another operator, whatever its requester does; nothing runs before")
    func approval() async throws {
        try await RunFleet.run(["web-1"]) { fleet in
            let file = fleet.fleet.folder.file("ran")
            let watched = try RunningProgram(
                try BuiltProgram("muster").path,
                ["run", "careful", "--on", "*", "--yes", "--", "file=\(file)"],
                environment: fleet.environment("ada"),
                log: fleet.fleet.folder.file("careful.log")
            )
            let id = try await fleet.newest()
            try await fleet.wait(for: id) { $0["state"] == "waiting" }
            let own = try await fleet.run(["approve", id, "--yes"])
            #expect(own.status == 1 && own.errors.contains("who asks never counts"), "\(own.text)")
            #expect(try fleet.lines(of: "ran").isEmpty)
            let approved = try await fleet.run(["approve", String(id.prefix(8)), "--yes"], as: "ben")
            #expect(approved.status == 0, "\(approved.text)")
            #expect(approved.output.contains("careful as \(RunFleet.account) on 1 node: web-1\n"), "\(approved.text)")
            #expect(approved.output.contains("/bin/sh -c 'echo ran >> \"$1\"' sh \(file)\n"), "\(approved.text)")
            #expect(await watched.exit(within: .seconds(60)) == 0, "\(watched.output)")
            #expect(try fleet.lines(of: "ran") == ["ran"])
            let show = try await fleet.run(["show", id], as: "ben")
            #expect(show.output.contains("asked for by ada at ") && show.output.contains("  approved by ben\n"))

            let other = try await fleet.ask(["careful", "--on", "*", "--", "file=\(file)"])
            let denied = try await fleet.run(["deny", other, "--reason", "not tonight"], as: "ben")
            #expect(denied.status == 0, "\(denied.text)")
            let late = try await fleet.run(["approve", other, "--yes"], as: "ben")
            #expect(late.status == 1, "\(late.text)")
            let watch = try await fleet.run(["watch", other])
            #expect(watch.status == 11 && watch.errors.contains("denied: "), "\(watch.text)")
            #expect(watch.errors.contains("not tonight"), "\(watch.text)")
            #expect(try fleet.lines(of: "ran") == ["ran"])
        }
    }

    @Test("A run is scheduled and approved ahead, and starts by itself at its time, not before")
    func scheduled() async throws {
        try await RunFleet.run(["web-1"]) { fleet in
            let file = fleet.fleet.folder.file("ran")
            let id = try await fleet.ask(["careful", "--on", "*", "--in", "12s", "--", "file=\(file)"])
            let approved = try await fleet.run(["approve", id, "--yes"], as: "ben")
            #expect(approved.status == 0 && approved.output.contains("  starts at "), "\(approved.text)")
            let record = try await fleet.record(id)
            #expect(record["state"] == "scheduled", "\(record.prettyText)")
            #expect(try fleet.lines(of: "ran").isEmpty)
            let watch = try await fleet.run(["watch", id])
            #expect(watch.status == 0, "\(watch.text)")
            #expect(try fleet.lines(of: "ran") == ["ran"])
            let after = try await fleet.record(id)
            guard case .array(let nodes)? = after["nodes"],
                case .integer(let started)? = nodes[0]["result"]?["started"],
                case .integer(let asked)? = after["asked"]
            else { return #expect(Bool(false), "\(after.prettyText)") }
            #expect(started - asked >= 10_000, "it started \(started - asked) ms after it was asked for")
        }
    }

    @Test("Cancelling ends processes that run; Ctrl-C leaves them, and says how to end them")
    func cancelled() async throws {
        try await RunFleet.run(["web-1", "web-2"]) { fleet in
            let program = try RunningProgram(
                try BuiltProgram("muster").path,
                ["run", "sleep", "--on", "*", "--yes", "--", "seconds=500"],
                environment: fleet.environment("ada"),
                log: fleet.fleet.folder.file("sleep.log")
            )
            let id = try await fleet.newest()
            try await fleet.wait(for: id) { Set(RunFleet.states($0).values) == ["started"] }
            program.signal(SIGINT)
            #expect(await program.exit(within: .seconds(60)) == 130)
            #expect(program.output.contains("the run goes on: muster run watch \(id.prefix(8)), or muster run cancel"))
            #expect(try await fleet.record(id)["state"] == "running")
            let cancel = try await fleet.run(["cancel", id, "--reason", "wrong nodes"], as: "ben")
            #expect(cancel.status == 0, "\(cancel.text)")
            let watch = try await fleet.run(["watch", id])
            #expect(watch.status == 11 && watch.errors.contains("2 nodes was cancelled: web-[1-2]"), "\(watch.text)")
            #expect(watch.errors.contains("cancelled: "), "\(watch.text)")
        }
    }

    @Test("One failing node stops the rest where so many failures are not allowed")
    func threshold() async throws {
        try await RunFleet.run(["web-1", "web-2", "web-3", "web-4"]) { fleet in
            let folder = fleet.fleet.folder.file("taken")
            let outcome = try await fleet.run(
                [
                    "take", "--on", "tag:web", "--concurrency", "1", "--max-failures", "0", "--yes", "--",
                    "folder=\(folder)",
                ]
            )
            #expect(outcome.status == 11, "\(outcome.text)")
            let states = RunFleet.states(try await fleet.record(try await fleet.newest()))
            #expect(states.values.count { $0 == "succeeded" } == 1, "\(states)")
            #expect(states.values.count { $0 == "failed" } == 1, "\(states)")
            #expect(outcome.errors.contains("halted"), "\(outcome.text)")
            #expect(outcome.errors.contains("File exists"), "\(outcome.text)")
        }
    }

    @Test("A node that is offline runs it when it is back, once, whatever restarts")
    func offline() async throws {
        try await RunFleet.run(["web-1", "web-2"]) { fleet in
            let file = fleet.fleet.folder.file("ran")
            await fleet.fleet.stopAgent("web-2")
            let id = try await fleet.ask(["note", "--on", "*", "--", "file=\(file)"])
            try await fleet.wait(for: id) { RunFleet.states($0)["web-1"] == "succeeded" }
            #expect(try fleet.lines(of: "ran") == ["ran"])
            try await fleet.fleet.restartService()
            try await fleet.fleet.startAgent("web-2")
            try await fleet.wait(for: id) { $0["state"] == "succeeded" }
            for node in ["web-1", "web-2"] {
                await fleet.fleet.stopAgent(node)
                try await fleet.fleet.startAgent(node)
            }
            try await fleet.fleet.restartService()
            let other = try await fleet.ask(["greet", "--on", "*", "--", "words=after"])
            try await fleet.wait(for: other) { $0["state"] == "succeeded" }
            #expect(try fleet.lines(of: "ran") == ["ran", "ran"])
        }
    }

    @Test("A policy that says something else by the time a run is due makes its nodes refuse it")
    func changedPolicy() async throws {
        try await RunFleet.run(["web-1"]) { fleet in
            let file = fleet.fleet.folder.file("ran")
            let id = try await fleet.ask(["note", "--on", "*", "--in", "15s", "--", "file=\(file)"])
            let keys = try ["ada", "ben"].map { try fleet.publicKey($0) }
            let policy = try fleet.fleet.folder.write("other.yaml", RunFleet.policy(keys, note: "otherwise").utf8)
            try await fleet.fleet.muster(["policy", "publish", policy] + fleet.fleet.passphrase)
            let watch = try await fleet.run(["watch", id])
            #expect(watch.status == 11, "\(watch.text)")
            #expect(try fleet.lines(of: "ran").isEmpty)
            let again = try await fleet.run(["note", "--on", "*", "--yes", "--", "file=\(file)"])
            #expect(again.status == 0, "\(again.text)")
            #expect(try fleet.lines(of: "ran") == ["otherwise"])
        }
    }

    @Test("The history is kept and searchable: by whom, what, where and how it ended")
    func history() async throws {
        try await RunFleet.run(["web-1", "web-2"]) { fleet in
            _ = try await fleet.run(["greet", "--on", "*", "--yes", "--reason", "a test", "--", "words=hello"])
            _ = try await fleet.run(["leave", "--on", "node:web-2", "--yes", "--", "status=1"])
            try await fleet.fleet.restartService()
            func count(_ options: [String]) async throws -> Int {
                let list = try await fleet.fleet.json(["run", "list"] + options, as: "ben")
                guard case .array(let items)? = list["items"] else { return -1 }
                return items.count
            }
            #expect(try await count([]) == 2)
            #expect(try await count(["--command", "greet"]) == 1)
            #expect(try await count(["--node", "web-1"]) == 1)
            #expect(try await count(["--state", "failed"]) == 1)
            #expect(try await count(["--by", "ben"]) == 0)
            #expect(try await count(["--since", "1h"]) == 2)
            let list = try await fleet.run(["list", "--state", "succeeded"], as: "ben")
            let id = String(list.output.split(separator: "\n")[1].prefix(8))
            let show = try await fleet.run(["show", id], as: "ben")
            #expect(show.status == 0, "\(show.text)")
            for part in [
                "/bin/echo hello\n", "asked for by ada", "reason: a test", "==> web-[1-2]\nhello\n",
                "exited with status 0",
            ] {
                #expect(show.output.contains(part), "\(part): \(show.text)")
            }
        }
    }

    private static var architecture: String {
        #if arch(x86_64)
        "amd64"
        #else
        "arm64"
        #endif
    }
}
