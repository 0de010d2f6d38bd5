import CanonicalJSON
import MusterCommands
import MusterSystem
import Testing

/// `muster policy check`, `test`, `explain` and `diff`, on files.
@Suite("PolicyTests: commands")
struct PolicyCommandTests {
    private static let examples = Directory.parent(of: #filePath) + "/../../../policies/"

    /// The rule of `small`.
    static let rule = """
          - name: restarts
            allow: [run]
            who: ["group:all"]
            nodes: ["tag:web"]
            commands: [restart]
            windows: [{days: [mon, tue, wed, thu, fri], from: "08:00", to: "18:00", zone: Europe/Berlin}]
            approvals: {count: 1, from: ["group:all"]}
        """

    /// Two people, a command, and rules for it; `cat` restarts web servers by day with consent.
    static let small = """
        operators:
          ada:
            keys:
              - {public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8vQ9mDVWGCCHG0eSXN0J8hZPbcyGvzA7Rhqf7Ypw4f, expires: 2035-01-01T00:00:00Z}
          cat:
            keys:
              - {public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEx0m4b2pQq0cXK4kLr6t0s8H3oY1m7uN5vW2zJ9aBcD, expires: 2035-01-01T00:00:00Z}
        groups:
          leads: [ada]
          all: [ada, cat]
        tags:
          web: {owners: ["group:leads"]}
        commands:
          restart:
            argv: [/usr/bin/systemctl, restart, "{unit}"]
            parameters: {unit: {type: text, pattern: "nginx|shop", default: nginx}}
            user: root
        rules:
        \(rule)
        tests:
          - {name: by day, as: cat, action: run, command: restart, node: {tags: [web]}, at: 2027-01-12T10:00:00Z,
             approved_by: [ada], expect: allowed, rule: restarts}
          - {name: by night, as: cat, action: run, command: restart, node: {tags: [web]}, at: 2027-01-12T22:00:00Z,
             approved_by: [ada], expect: refused, reason: outside-window}

        """

    /// Runs `body` with a person and a folder for files.
    private func person(_ body: (Person, (String, String) throws -> String) async throws -> Void) async throws {
        try await Workshop.run { workshop in
            let ada = try await workshop.person("ada")
            try await body(ada) { name, text in
                let path = ada.home + "/" + name
                try AtomicFile.write(Array(text.utf8), to: path)
                return path
            }
        }
    }

    private func json(_ outcome: Person.Outcome) throws -> JSONValue {
        try JSONValue.parse(Array(outcome.output.utf8), limit: 1_000_000)
    }

    @Test("every example checks without a warning, and all of its tests pass")
    func examplesPass() async throws {
        let names = try Directory.entries(Self.examples).filter { $0.hasSuffix(".yaml") }.sorted()
        #expect(names.count >= 3)
        try await person { later, _ in
            // The examples' keys expire, so it is 2027.
            let ada = later.later(days: -1000)
            for name in names {
                let checked = await ada.muster("policy", "check", "--strict", Self.examples + name)
                #expect(checked.status == 0, "\(name): \(checked.all)")
                let tested = await ada.muster("policy", "test", "--json", Self.examples + name)
                #expect(tested.status == 0, "\(name): \(tested.all)")
                guard case .array(let tests)? = try json(tested)["tests"] else {
                    Issue.record("\(name): \(tested.all)")
                    continue
                }
                #expect(tests.count >= 7 && tests.allSatisfy { $0["passed"] == true })
            }
        }
    }

    @Test("several mistakes are told at once, each with its line, column and a way out")
    func mistakes() async throws {
        let text = Self.small.replacing("who: [\"group:all\"]", with: "who: [all]")
            .replacing("commands: [restart]", with: "commands: [restrat]")
            .replacing("Europe/Berlin", with: "Europe/Berlni")
            .replacing("restart, \"{unit}\"]", with: "restart, \"{unti}\"]")
            .replacing("days: [mon,", with: "day: [mon,")
            .replacing("leads: [ada]", with: "leads: [adda]")
            .replacing(
                "action: run, command: restart, node: {tags: [web]}, at: 2027-01-12T10",
                with: "action: rn, at: 2027-01-12T10"
            )
        try await person { ada, write in
            let outcome = await ada.muster("policy", "check", try write("p.yaml", text))
            #expect(outcome.status == 1)
            for expected in [
                "p.yaml:9:11: groups.leads[0]: 'adda' is not an operator (did you mean 'ada'?)",
                "p.yaml:15:41: commands.restart.argv[2]: {unti} is no parameter of the command",
                "commands.restart.parameters.unit: is used nowhere in the command",
                "p.yaml:21:11: rules[0].who[0]: 'all' is neither an operator nor a group here; a group is written \"group:all\"",
                "p.yaml:23:16: rules[0].commands[0]: there is no command 'restrat' (did you mean 'restart'?)",
                "p.yaml:24:16: rules[0].windows[0].day: 'day' is not known here (did you mean 'days'?)",
                "rules[0].windows[0].zone: there is no time zone 'Europe/Berlni'",
                "tests[0].action: 'rn' is no action (did you mean 'run'?)",
                "p.yaml has 8 mistakes",
            ] {
                #expect(outcome.errors.contains(expected), "\(expected) is not in \(outcome.errors)")
            }
            let file = ada.home + "/p.yaml"
            let reported = try json(await ada.muster("policy", "check", "--json", file))
            guard case .array(let mistakes)? = reported["mistakes"] else { return }
            #expect(mistakes.count == 8)
            #expect(mistakes.first?["line"] == 9)
            #expect(mistakes.first?["column"] == 11)
            #expect(await ada.muster("policy", "test", file).status == 1)
            #expect(await ada.muster("policy", "explain", file).status == 1)
        }
    }

    @Test(
        "a command that could not be run is a mistake where it stands",
        arguments: [
            ("user: root", "user: root\n    timeout_seconds: 0", "commands.restart.timeout_seconds: 0 is not within"),
            ("/usr/bin/systemctl", "systemctl", "p.yaml:15:12: commands.restart.argv[0]: is no absolute path"),
            ("default: nginx", "secret: true", "p.yaml:15:41: commands.restart.argv[2]: {unit} is secret"),
            ("nginx|shop", "(nginx", "commands.restart.parameters.unit: it is no POSIX extended regular expression"),
            ("default: nginx", "default: sshd", "commands.restart.parameters.unit: its default 'sshd' does not match"),
            ("user: root", "user: root\n    environment_allow: [LD_PRELOAD]", "commands.restart.environment_allow[0]"),
            (
                "user: root", "user: root\n    shell: true",
                "p.yaml:18:5: commands.restart.shell: 'shell' is not known here"
            ),
            (
                "count: 1, from: [\"group:all\"]", "count: 3, from: [\"group:all\"]",
                "rules[0].approvals.count: asks for 3"
            ),
            ("allow: [run]", "allow: [upgrade]", "rules[0].commands: 'commands' means something for 'run' only"),
            ("    commands: [restart]\n", "", "p.yaml:19:5: rules[0]: 'run' needs 'commands'"),
            ("from: \"08:00\"", "from: \"8:00\"", "rules[0].windows[0].from: is not an hour of the form HH:MM"),
            ("web: {owners: [\"group:leads\"]}", "web: {}", "p.yaml:12:3: tags.web: a tag has 'owners'"),
            (
                "rule: restarts}", "rule: restart}",
                "tests[0].rule: there is no rule 'restart' (did you mean 'restarts'?)"
            ),
        ]
    )
    func commandMistakes(_ good: String, _ bad: String, _ expected: String) async throws {
        try await person { ada, write in
            let outcome = await ada.muster(
                "policy",
                "check",
                try write("p.yaml", Self.small.replacing(good, with: bad))
            )
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains(expected), "\(expected) is not in \(outcome.errors)")
        }
    }

    @Test("a test that finds another decision fails, says why, and fails the check")
    func failingTest() async throws {
        let text = Self.small.replacing("reason: outside-window", with: "reason: no-rule")
            .replacing("expect: allowed, rule: restarts", with: "expect: needs-approval")
        try await person { ada, write in
            let file = try write("p.yaml", text)
            let tested = await ada.muster("policy", "test", file)
            #expect(tested.status == 1)
            #expect(tested.output.contains("FAILS  by day: "), "\(tested.all)")
            #expect(
                tested.output.contains(
                    "expected needs-approval, found allowed: allowed by rule 'restarts', approved by ada"
                )
            )
            #expect(tested.output.contains("expected the reason no-rule, found outside-window"))
            #expect(tested.output.contains("the next opens at 2027-01-13T07:00:00Z"))
            #expect(tested.errors.contains("2 of 2 tests of \(file) fail"))
            let checked = await ada.muster("policy", "check", file)
            #expect(checked.status == 1)
            #expect(checked.errors.contains("p.yaml:27: test 'by day': expected needs-approval"), "\(checked.errors)")
        }
    }

    @Test("what is worth a second look is said, and fails a strict check")
    func warnings() async throws {
        let text = Self.small.replacing("  all: [ada, cat]", with: "  all: [ada, cat]\n  idle: [cat]")
            .replacing("expect: allowed, rule: restarts", with: "expect: needs-approval")
            .replacing("from: [\"group:all\"]}", with: "from: [cat]}")
            .replacing(
                "    user: root\n",
                with: """
                        user: root
                      script:
                        argv: [/bin/sh, -c, "rm {path}"]
                        parameters: {path: {type: text, pattern: ".*"}, api_token: {type: text, pattern: ".*"}}
                        environment: {DB_PASSWORD: hunter2, T: "{api_token}"}
                        user: root

                    """
            )
            .replacing(
                "AIEx0m4b2pQq0cXK4kLr6t0s8H3oY1m7uN5vW2zJ9aBcD, expires: 2035",
                with: "AIEx0m4b2pQq0cXK4kLr6t0s8H3oY1m7uN5vW2zJ9aBcD, expires: 2020"
            )
            .replacing("nodes: [\"tag:web\"]", with: "nodes: [\"tag:web\", \"tag:db\"]")
        try await person { ada, write in
            let file = try write("p.yaml", text)
            let outcome = await ada.muster("policy", "check", "--quiet", file)
            for expected in [
                "groups.idle: no rule and no tag names the group", "this key of cat expired at 2020-01-01",
                "rule 'restarts' can never be met: too few others in 'from'",
                "no rule lets anybody give a node the tag 'db'",
                "commands.script: no rule names the command, so nobody may run it",
                "commands.script.argv[0]: the command is a shell",
                "commands.script.argv[2]: {path} stands inside the script",
                "commands.script.parameters.api_token: sounds like a secret",
                "commands.script.environment.DB_PASSWORD: stands in the policy",
            ] {
                #expect(outcome.output.contains(expected), "\(expected) is not in \(outcome.all)")
            }
            #expect(outcome.status == 0, "\(outcome.all)")
            #expect(await ada.muster("policy", "check", "--strict", file).status == 1)
            #expect(await ada.muster("policy", "check", file + ".none").status == 2)
        }
    }

    @Test("a decision is explained: rule, reasons, what is missing, what would run")
    func explains() async throws {
        try await person { ada, write in
            let file = try write("p.yaml", Self.small)
            let question = ["policy", "explain", file, "--as", "cat", "--action", "run", "--command", "restart"]
            let day = ["--tag", "web", "--at", "2027-01-12T10:00:00Z"]
            let waiting = await ada.muster(question + day)
            #expect(waiting.status == 1)
            #expect(waiting.output.contains("needs-approval"))
            #expect(waiting.output.contains("rule 'restarts': 1 more approval of ada"), "\(waiting.all)")
            #expect(waiting.output.contains("runs: /usr/bin/systemctl restart nginx as root"))
            let allowed = await ada.muster(question + day + ["--approved-by", "ada"])
            #expect(allowed.status == 0, "\(allowed.all)")
            #expect(allowed.output.contains("allowed by rule 'restarts', approved by ada"))
            let night = await ada.muster(
                question + ["--tag", "web", "--at", "2027-01-12T22:00:00Z", "--approved-by", "ada", "--json"]
            )
            #expect(night.status == 1)
            #expect(try json(night)["answer"] == "refused")
            guard case .array(let rules)? = try json(night)["rules"] else { return }
            #expect(
                rules.first?["reasons"] == [
                    rules.first.flatMap { rule in PolicyCommandTests.first(rule["reasons"]) } ?? .null
                ]
            )
            #expect(PolicyCommandTests.first(rules.first?["reasons"])?["opens"] == "2027-01-13T07:00:00Z")
            let other = await ada.muster(question + day + ["--approved-by", "ada", "--arg", "unit=sshd"])
            #expect(other.status == 1)
            #expect(other.output.contains("'sshd' for parameter 'unit' does not match the pattern"), "\(other.all)")
            let late = await ada.muster(question + ["--tag", "web", "--at", "2036-01-12T10:00:00Z"])
            #expect(late.output.contains("but: the key of cat expired"), "\(late.all)")
            #expect(await ada.muster("policy", "explain", file, "--as", "cat", "--action", "rn").status == 2)
            let everybody = await ada.muster("policy", "explain", file)
            #expect(everybody.status == 0)
            #expect(
                everybody.output.contains(
                    "  run restart on tag:web, with 1 approval of ada, cat, only mon-fri 08:00-18:00 Europe/Berlin"
                ),
                "\(everybody.all)"
            )
            #expect(everybody.output.contains("ada may\n  enroll, tag-node with web on *"))
        }
    }

    private static func first(_ value: JSONValue?) -> JSONValue? {
        if case .array(let values)? = value { values.first } else { nil }
    }

    @Test("the difference says who gains and who loses what; a rule that was moved or split is none")
    func differences() async throws {
        try await person { ada, write in
            let old = try write("old.yaml", Self.small)
            func diff(_ text: String, _ options: String...) async throws -> Person.Outcome {
                let new = try write("new.yaml", text)
                return await ada.muster(["policy", "diff", "--from", old, new, "--exit-code"] + options)
            }
            let body = Self.rule + "\n"
            // Split by who asks, under other names.
            let split = Self.small.replacing(
                body,
                with: body.replacing("restarts", with: "a").replacing(
                    "[\"group:all\"]\n    nodes",
                    with: "[cat]\n    nodes"
                )
                    + body.replacing("restarts", with: "b").replacing(
                        "[\"group:all\"]\n    nodes",
                        with: "[ada]\n    nodes"
                    )
            ).replacing(", rule: restarts", with: "")
            let same = try await diff(split, "--brief")
            #expect(same.status == 0, "\(same.all)")
            #expect(same.output == "nobody gains or loses anything\n")

            let harder = try await diff(Self.small.replacing("count: 1", with: "count: 2"), "--brief")
            #expect(harder.status == 1)
            #expect(
                harder.output.contains("ada, cat lose\n  - run restart on tag:web, with 1 approval"),
                "\(harder.all)"
            )
            #expect(harder.output.contains("  ~ now: run restart on tag:web, with 2 approvals"))

            let wider = try await diff(
                Self.small.replacing("nodes: [\"tag:web\"]", with: "nodes: [\"*\"]")
                    .replacing("leads: [ada]", with: "leads: [ada, cat]")
                    .replacing("systemctl, restart", with: "systemctl, reload"),
                "--json"
            )
            #expect(wider.status == 1)
            let found = try json(wider)
            #expect(found["losses"] == [])
            let terms = ", with 1 approval of ada, cat, only mon-fri 08:00-18:00 Europe/Berlin"
            #expect(
                found["gains"] == [
                    ["operators": ["ada"], "grants": [.string("run restart on *" + terms)]],
                    [
                        "operators": ["cat"],
                        "grants": ["enroll, tag-node with web on *", .string("run restart on *" + terms)],
                    ],
                ],
                "\(wider.all)"
            )
            #expect(PolicyCommandTests.first(found["commands"])?["name"] == "restart")
        }
    }

    @Test("attack: texts of other bytes that are the same text of Unicode are a difference, and each is written out")
    func canonicalEquivalence() async throws {
        try await person { ada, write in
            let rules = """
                  - {name: in, allow: [ssh-certificate], who: [ada], nodes: ['*'], users: [a], force_command: '/bin/a;b'}
                  - {name: up, allow: [upgrade], who: [ada], nodes: ['*'], packages: [Kit]}
                tests:

                """
            let text = Self.small.replacing("nginx|shop", with: "[^;`]+").replacing("tests:\n", with: rules)
            let old = try write("old.yaml", text)
            func diff(_ text: String, _ options: String...) async throws -> Person.Outcome {
                let new = try write("new.yaml", text)
                return await ada.muster(["policy", "diff", "--from", old, new, "--exit-code"] + options)
            }
            #expect(try await diff(text).status == 0)

            // What regcomp reads, byte by byte, excludes neither a semicolon nor a backtick.
            let pattern = text.replacing("[^;`]+", with: "[^\u{37E}\u{1FEF}]+")
            #expect(pattern == text, "to Unicode nothing changes")
            for options in [["--brief"], []] {
                let new = try write("new.yaml", pattern)
                let outcome = await ada.muster(["policy", "diff", "--from", old, new, "--exit-code"] + options)
                #expect(outcome.status == 1, "\(outcome.all)")
                #expect(outcome.output.contains("~ command restart, for whoever may run it"), "\(outcome.all)")
                #expect(outcome.output.contains(#""pattern": "[^;`]+""#), "\(outcome.all)")
                #expect(outcome.output.contains(#""pattern": "[^\u{37e}\u{1fef}]+""#), "\(outcome.all)")
                #expect(!outcome.output.unicodeScalars.contains("\u{37E}"))
            }

            let forced = try await diff(text.replacing("/bin/a;b", with: "/bin/a\u{37E}b"), "--brief")
            #expect(forced.status == 1)
            #expect(forced.output.contains("running only '/bin/a;b'"), "\(forced.all)")
            #expect(forced.output.contains(#"running only '/bin/a\u{37e}b'"#), "\(forced.all)")

            let package = try await diff(text.replacing("[Kit]", with: "[\u{212A}it]"), "--brief")
            #expect(package.status == 1)
            #expect(package.output.contains("- upgrade Kit on *"), "\(package.all)")
            #expect(package.output.contains(#"+ upgrade \u{212a}it on *"#), "\(package.all)")
        }
    }

    @Test("a policy is published only where its check passes, with its hours and without its tests")
    func publishes() async throws {
        try await Workshop.fleet { workshop, ada in
            let key = String(
                decoding: try BoundedFile.read(ada.home + "/.ssh/id_ed25519.pub", limit: 4096),
                as: UTF8.self
            ).split(separator: " ").prefix(2).joined(separator: " ")
            let text = Self.small.replacing(
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8vQ9mDVWGCCHG0eSXN0J8hZPbcyGvzA7Rhqf7Ypw4f",
                with: key
            )
            let file = ada.home + "/p.yaml"
            try AtomicFile.write(Array(text.replacing("expect: allowed", with: "expect: refused").utf8), to: file)
            let refused = await ada.signs("policy", "publish", file)
            #expect(refused.status == 1)
            #expect(refused.errors.contains("1 of 2 tests of \(file) fail"), "\(refused.all)")
            try AtomicFile.write(Array(text.replacing("allow: [run]", with: "alow: [run]").utf8), to: file)
            #expect(await ada.signs("policy", "publish", file).errors.contains("did you mean 'allow'?"))
            #expect(workshop.service.with { $0.versions["policy"] } == 1)

            try AtomicFile.write(Array(text.utf8), to: file)
            let diff = await ada.muster("policy", "diff", file, "--brief")
            #expect(diff.output.contains("ada loses\n"), "\(diff.all)")
            let published = await ada.signs("policy", "publish", file)
            #expect(published.status == 0, "\(published.all)")
            #expect(published.output.contains("+ operator cat"))
            let shown = await ada.muster("policy", "show", "--json")
            let document = try json(shown)
            #expect(document["tests"] == nil)
            #expect(document["tags"] == nil)
            #expect(shown.output.contains("\"minutes\": 120"))
            #expect(shown.output.contains("\"tag web\""))
            let explained = await ada.muster(
                "policy",
                "explain",
                "--as",
                "cat",
                "--action",
                "run",
                "--command",
                "restart",
                "--tag",
                "web",
                "--at",
                "2027-01-12T10:00:00Z",
                "--approved-by",
                "ada"
            )
            #expect(explained.status == 0, "\(explained.all)")
            let none = await ada.muster("policy", "diff", file, "--brief", "--exit-code")
            #expect(none.status == 0, "\(none.all)")
        }
    }
}
