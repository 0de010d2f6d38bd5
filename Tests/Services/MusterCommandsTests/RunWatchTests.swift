import CanonicalJSON
import MusterAPI
import MusterModel
import MusterTestSupport
import Testing

@testable import MusterCommands

/// What is seen of a run, and what scripts learn.
@Suite
struct RunWatchTests {
    /// A run of restart-web on the web servers that ada asked for.
    private func asked(_ fixture: RunFixture) async throws -> SignedStatement {
        let outcome = await fixture.ada.muster(
            ["run", "restart-web", "--on", "tag:web", "--yes", "--no-wait", "--", "unit=nginx"]
        )
        #expect(outcome.status == 0, "\(outcome.all)")
        return try fixture.sent()
    }

    @Test(
        "output comes with the nodes' names, errors and everything else on standard error, and a node's failure is 10"
    )
    func pipe() async throws {
        try await RunFixture.run { fixture in
            let sent = try await asked(fixture)
            try fixture.wrote([
                ("web-1", .output, "first\nsec"), ("web-2", .errors, "oops\n"), ("web-1", .output, "ond\n"),
                ("web-2", .output, "no newline"),
            ])
            let good = RunFixture.result(.exited(0))
            let records = [
                try fixture.record(
                    sent,
                    .running,
                    [("web-1", .started, nil), ("web-2", .waiting, nil), ("web-3", .waiting, nil)]
                ),
                try fixture.record(
                    sent,
                    .failed,
                    [
                        ("web-1", .succeeded, good), ("web-2", .failed, RunFixture.result(.exited(3))),
                        ("web-3", .succeeded, good),
                    ],
                    revision: 2
                ),
            ]
            fixture.workshop.service.with { $0.runs = records }
            let outcome = await fixture.ada.muster("run", "watch", sent.statement.id.text)
            #expect(outcome.status == 10, "\(outcome.all)")
            #expect(outcome.output == "web-1: first\nweb-1: second\nweb-2: no newline\n")
            #expect(
                outcome.errors == """
                    web-2: oops
                    web-2: exited with status 3
                    2 nodes exited with status 0: web-[1,3]
                    1 node exited with status 3: web-2
                    run \(sent.statement.id.text.prefix(8)): failed

                    """
            )
        }
    }

    @Test("identical outputs are shown once, with the names of all the nodes that wrote them")
    func folded() async throws {
        try await RunFixture.run { fixture in
            let sent = try await asked(fixture)
            try fixture.wrote([
                ("web-1", .output, "same\n"), ("web-2", .output, "other\n"), ("web-3", .output, "sa"),
                ("web-3", .output, "me\n"),
            ])
            let good = RunFixture.result(.exited(0))
            let record = try fixture.record(
                sent,
                .succeeded,
                ["web-1", "web-2", "web-3"].map { ($0, .succeeded, good) }
            )
            fixture.workshop.service.with { $0.runs = [record] }
            let outcome = await fixture.ada.muster("run", "watch", "--fold", sent.statement.id.text)
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(
                outcome.output == """
                    ==> web-[1,3]: exited with status 0
                    same
                    ==> web-2: exited with status 0
                    other

                    """
            )
            #expect(outcome.errors.contains("2 nodes exited with status 0, the same 1 line: web-[1,3]\n"))
            #expect(outcome.errors.contains("1 node exited with status 0, 1 line: web-2\n"))
        }
    }

    @Test("on a terminal names stand in a column, in colour, and the end says whose output was the same")
    func screen() async throws {
        try await RunFixture.run { fixture in
            let sent = try await asked(fixture)
            try fixture.wrote([
                ("web-1", .output, "same\u{1B}]0;title\u{7}\n"), ("web-2", .errors, "trouble\n"),
                ("web-3", .output, "same\u{1B}]0;title\u{7}\n"),
            ])
            let good = RunFixture.result(.exited(0))
            let names = ["web-1", "web-2", "web-3"]
            let record = try fixture.record(sent, .succeeded, names.map { ($0, .succeeded, good) })
            fixture.workshop.service.with { $0.runs = [record] }
            let kind = Terminal.Kind(isScreen: true, showsColors: true)
            let screen = Person(name: "ada", home: fixture.ada.home, workshop: fixture.workshop, kind: kind)
            let outcome = await screen.muster("run", "watch", sent.statement.id.text)
            #expect(outcome.status == 0, "\(outcome.all)")
            let line = "\u{1B}[32mweb-1\u{1B}[0m: same?]0;title?\n"
            #expect(outcome.output == line + line.replacing("web-1", with: "web-3"))
            #expect(outcome.errors.contains("\u{1B}[33mweb-2\u{1B}[0m: trouble\n"))
            #expect(
                outcome.errors.contains(
                    "2 nodes \u{1B}[32mexited with status 0\u{1B}[0m, the same 1 line: web-[1,3]\n"
                )
            )
            let quiet = await screen.muster("run", "watch", "--no-fold", sent.statement.id.text)
            #expect(quiet.errors.contains("3 nodes \u{1B}[32mexited with status 0\u{1B}[0m: web-[1-3]\n"))
        }
    }

    @Test("as JSON every line is an object that says what it is")
    func json() async throws {
        try await RunFixture.run { fixture in
            let sent = try await asked(fixture)
            try fixture.wrote([("web-1", .output, "a\u{1B}[31m\tb\n"), ("web-1", .errors, "c")])
            let record = try fixture.record(sent, .failed, [("web-1", .failed, RunFixture.result(.signalled(9)))])
            fixture.workshop.service.with { $0.runs = [record] }
            let outcome = await fixture.ada.muster("run", "watch", "--json", sent.statement.id.text)
            #expect(outcome.status == 10 && outcome.errors.isEmpty, "\(outcome.all)")
            let lines = try outcome.output.split(separator: "\n").map {
                try JSONValue.parse(Array($0.utf8), limit: 10_000)
            }
            #expect(lines.map { $0["type"] } == ["output", "state", "output", "node", "end"])
            #expect(lines[0]["text"] == "a\u{1B}[31m\tb" && lines[0]["stream"] == "out" && lines[0]["name"] == "web-1")
            #expect(lines[2]["text"] == "c" && lines[2]["partial"] == true && lines[2]["stream"] == "err")
            #expect(lines[3]["result"]?["signal"] == 9)
            #expect(lines[4]["exit"] == 10 && lines[4]["state"] == "failed")
        }
    }

    @Test(
        "the exit status says how far it came",
        arguments: [
            (.succeeded, [.succeeded, .succeeded], 0), (.failed, [.succeeded, .failed], 10),
            (.failed, [.succeeded, .refused], 11), (.failed, [.failed, .notStarted], 11), (.denied, [.waiting], 11),
            (.cancelled, [.succeeded, .cancelled], 11), (.expired, [.succeeded, .expired], 11),
            (.halted, [.failed, .waiting], 11), (.failed, [.lost, .failed, .refused], 12),
            (.cancelled, [.lost], 12),
        ] as [(RunRecord.State, [RunRecord.NodeState], Int32)]
    )
    func status(_ state: RunRecord.State, _ nodes: [RunRecord.NodeState], _ expected: Int32) async throws {
        try await RunFixture.run { fixture in
            let sent = try await asked(fixture)
            let parts = zip(["web-1", "web-2", "web-3"], nodes).map {
                name,
                state -> (String, RunRecord.NodeState, RunResult?) in
                switch state {
                case .succeeded: (name, state, RunFixture.result(.exited(0)))
                case .failed: (name, state, RunFixture.result(.exited(1)))
                default: (name, state, nil)
                }
            }
            let record = try fixture.record(sent, state, parts, reason: "as it goes")
            fixture.workshop.service.with { $0.runs = [record] }
            let outcome = await fixture.ada.muster("run", "watch", sent.statement.id.text)
            #expect(outcome.status == expected, "\(outcome.all)")
            #expect(outcome.errors.contains("run \(sent.statement.id.text.prefix(8)): \(state.rawValue)"))
        }
    }

    @Test("a run that waits for approval says for whom, and goes on by itself")
    func waiting() async throws {
        try await RunFixture.run { fixture in
            let sent = try await asked(fixture)
            let records = [
                try fixture.record(sent, .waiting, [("web-1", .waiting, nil)], missing: "1 approval: ask ben"),
                try fixture.record(sent, .scheduled, [("web-1", .waiting, nil)], revision: 2),
                try fixture.record(
                    sent,
                    .succeeded,
                    [("web-1", .succeeded, RunFixture.result(.exited(0)))],
                    revision: 3
                ),
            ]
            fixture.workshop.service.with { $0.runs = records }
            let outcome = await fixture.ada.muster("run", "watch", sent.statement.id.text)
            #expect(outcome.status == 0, "\(outcome.all)")
            let short = sent.statement.id.text.prefix(8)
            #expect(
                outcome.errors.hasPrefix(
                    """
                    run \(short): waiting: 1 approval: ask ben
                    they run: muster run approve \(short)
                    run \(short): scheduled

                    """
                ),
                "\(outcome.errors)"
            )
        }
    }

    @Test("the list is a table, and show tells who, what, where, when and with which output")
    func history() async throws {
        try await RunFixture.run { fixture in
            let sent = try await asked(fixture)
            try fixture.wrote([("web-1", .output, "up\n"), ("web-2", .output, "up\n"), ("web-3", .errors, "down\n")])
            let record = try fixture.record(
                sent,
                .failed,
                [
                    ("web-1", .succeeded, RunFixture.result(.exited(0), bytes: 3)),
                    ("web-2", .succeeded, RunFixture.result(.exited(0), bytes: 3)),
                    ("web-3", .failed, RunFixture.result(.signalled(15), timedOut: true, bytes: 5)),
                ]
            )
            fixture.workshop.service.with { $0.runs = [record] }
            let short = sent.statement.id.text.prefix(8)
            let list = await fixture.ben.muster("run", "list")
            #expect(
                list.output == """
                    RUN       COMMAND      BY   ASKED  NODES  WELL  NOT WELL  STATE
                    \(short)  restart-web  ada  now    3      2     1         failed

                    """,
                "\(list.all)"
            )
            let show = await fixture.ben.muster("run", "show", String(short))
            #expect(show.status == 0, "\(show.all)")
            #expect(
                show.output == """
                    run \(sent.statement.id) failed
                    restart-web as root on 3 nodes: web-[1-3]
                      /usr/bin/systemctl restart nginx
                      Restart a service of the web servers
                      in /, for at most 60 s, with at most 1.0 MB of output
                      selected by: tag:web
                      starts at once, on nodes that are back until 2030-03-17T18:46:40Z
                      ids: web-1 is node-web-1, web-2 is node-web-2, web-3 is node-web-3
                      asked for by ada at 2030-03-17T17:46:40Z
                      ended at 2030-03-17T17:46:43Z
                    NODE   STATE      STARTED               TOOK    OUTPUT  OUTCOME
                    web-1  succeeded  2030-03-17T17:46:40Z  120 ms  3 B     exited with status 0
                    web-2  succeeded  2030-03-17T17:46:40Z  120 ms  3 B     exited with status 0
                    web-3  failed     2030-03-17T17:46:40Z  120 ms  5 B     ran out of time
                    ==> web-[1-2]
                    up
                    ==> web-3
                    down

                    """
            )
            let json = await fixture.ben.muster("run", "show", String(short), "--json")
            let value = try JSONValue.parse(Array(json.output.utf8), limit: 100_000)
            #expect(value["signers"] == ["ada"] && value["run"]?["state"] == "failed")
            guard case .array(let outputs)? = value["outputs"] else { return #expect(Bool(false), "\(json.all)") }
            #expect(outputs.map { $0["out"] } == ["up\n", "up\n", ""])
        }
    }

    // MARK: - Parts

    @Test("what a node writes cannot steer the terminal, and hides nothing")
    func harmless() {
        func shown(_ text: String) -> [String] {
            OutputLines.Line(bytes: Array(text.utf8), isWhole: true).shown
        }
        #expect(shown("plain") == ["plain"])
        #expect(shown("\u{1B}[1;31mred\u{1B}[0m") == ["red"])
        #expect(shown("\u{1B}[2J\u{1B}]0;title\u{7}x") == ["?[2J?]0;title?x"])
        #expect(shown("secret\rnothing") == ["secret", "nothing"])
        #expect(shown("windows\r") == ["windows"])
        #expect(shown("a\tb") == ["a       b"])
        #expect(shown("\u{202E}evil\u{9B}31m") == ["?evil?31m"])
        #expect(OutputLines.Line(bytes: [0xFF, 0x41], isWhole: true).shown == ["\u{FFFD}A"])
    }

    @Test("lines are kept together over pieces, and cut where they are endless")
    func lines() {
        var lines = OutputLines()
        #expect(lines.add(Array("one\ntw".utf8)).map(\.bytes) == [Array("one".utf8)])
        #expect(lines.add(Array("o\n\nthr".utf8)).map(\.bytes) == [Array("two".utf8), []])
        #expect(lines.finish() == OutputLines.Line(bytes: Array("thr".utf8), isWhole: false))
        #expect(lines.finish() == nil)
        let cut = lines.add([UInt8](repeating: 0x61, count: 40_000))
        #expect(cut.map(\.bytes.count) == [16_384, 16_384] && cut.allSatisfy { !$0.isWhole })
        #expect(lines.finish()?.bytes.count == 40_000 - 2 * 16_384)
    }

    @Test("a reason is cut by bytes: a few Characters of a server's words can be long, and the update must be taken")
    func longReason() {
        let mark = "e" + String(repeating: "\u{301}", count: 10)
        #expect(NodeRunOverSSH.short(String(repeating: mark, count: 300)).utf8.count <= 1000)
        #expect(NodeRunOverSSH.short("connection refused") == "connection refused")
    }

    @Test(
        "many names in few words",
        arguments: [
            (["web-2", "web-1", "web-10", "web-3"], "web-[1-3,10]"), (["db"], "db"), (["db1"], "db1"),
            (["a1.example.org", "a2.example.org", "b"], "a[1-2].example.org, b"),
            (["n01", "n02", "n10", "n1"], "n[01-02], n[1,10]"), ([], ""), (["x9y", "x8y"], "x[8-9]y"),
        ]
    )
    func names(_ names: [String], _ folded: String) {
        #expect(NodeNames.folded(names) == folded)
    }
}
