import ByteCoding
import Glibc
import MusterPolicy
import MusterSystem
import Testing

@testable import MusterCommands

/// Policies as people write them.
@Suite
struct PolicySourceTests {
    private static let head = """
        operators:
          ada:
            keys:
              - public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8vQ9mDVWGCCHG0eSXN0J8hZPbcyGvzA7Rhqf7Ypw4f
                expires: 2028-01-01T00:00:00Z
        rules:

        """

    private func compile(_ text: String) throws -> FleetPolicy {
        try PolicySource(text: text, file: "p.yaml").compile(
            version: 3,
            issued: UTCTime(seconds: 1_800_000_000),
            expires: UTCTime(seconds: 1_900_000_000)
        ).policy
    }

    private func mistake(_ text: String) -> String {
        do {
            _ = try compile(text)
            return "no mistake"
        } catch {
            return "\(error)"
        }
    }

    @Test("the examples compile", arguments: ["home-lab.yaml", "small-company.yaml", "regulated.yaml"])
    func examples(_ name: String) throws {
        let folder = Directory.parent(of: #filePath) + "/../../../policies/"
        let policy = try PolicySource(file: folder + name).compile(
            version: 1,
            issued: UTCTime(seconds: 1_800_000_000),
            expires: UTCTime(seconds: 1_900_000_000)
        ).policy
        #expect(policy.unknownParts.isEmpty)
    }

    @Test(
        "the examples decide as their own tests say",
        arguments: ["home-lab.yaml", "small-company.yaml", "regulated.yaml"]
    )
    func examplesDecide(_ name: String) throws {
        let folder = Directory.parent(of: #filePath) + "/../../../policies/"
        let now = UTCTime(seconds: 1_800_000_000)
        let compiled = try PolicySource(file: folder + name).compile(
            version: 1,
            issued: now,
            expires: UTCTime(seconds: 1_900_000_000)
        )
        #expect(compiled.tests.map { $0.run(compiled.policy, now: now) }.compactMap(\.difference) == [])
    }

    @Test("a rule for logins is compiled and said in words")
    func logins() throws {
        let policy = try compile(
            Self.head
                + "  - {name: in, allow: [ssh-certificate], who: [ada], nodes: ['*'], users: [root, a], max_seconds: 600}\n"
                + "  - {name: backup, allow: [ssh-certificate], who: [ada], nodes: ['*'], users: ['*'], extensions: [],\n"
                + "     force_command: backup}\n"
        )
        let lines = PolicySummary(policy, now: UTCTime(seconds: 1_800_000_000)).lines.map(\.plain)
        #expect(lines.contains("  logs in as a, root, for at most 10 minutes"), "\(lines)")
        #expect(lines.contains("  sessions get permit-pty"))
        #expect(lines.contains("  logs in as any account, for at most 1440 minutes"))
        #expect(lines.contains("  sessions get nothing besides"))
        #expect(lines.contains("  runs only: backup"))
    }

    @Test("everything that a process gets by a command is said in words")
    func commands() throws {
        let policy = try compile(
            Self.head + "  - {name: all, allow: [run], who: [ada], nodes: ['*'], commands: ['*']}\n" + """
                commands:
                  set-password:
                    argv: [/usr/sbin/chpasswd]
                    user: root
                    directory: /srv/app
                    environment: {LD_PRELOAD: "/tmp/\\u0301x.so", MODE: "it's {mode}"}
                    input: "app:{password}\\n"
                    environment_allow: [DEBUG]
                    parameters:
                      mode: {type: choice, values: [a, b]}
                      password: {type: text, pattern: ".+", secret: true}

                """
        )
        let lines = PolicySummary(policy, now: UTCTime(seconds: 1_800_000_000)).lines.map(\.plain)
        let expected = [
            "command set-password", "  /usr/sbin/chpasswd as root, for at most 60 s", "  {mode}: one of a, b",
            "  {password}: text like .+, secret", "  in /srv/app", "  with MODE='it's {mode}'",
            "  reads 'app:{password}\\n'", "  may be given: DEBUG",
        ]
        for line in expected { #expect(lines.contains(line), "\(line): \(lines)") }
        let preload = lines.first { $0.hasPrefix("  with LD_PRELOAD=") }
        #expect(preload == #"  with LD_PRELOAD='/tmp/\u{301}x.so'"#, "\(lines)")
        #expect(preload?.contains("301}") == true && preload?.utf8.allSatisfy { $0 < 0x80 } == true, "\(lines)")
    }

    @Test("version and dates are added")
    func addsVersion() throws {
        let policy = try compile(
            Self.head + "  - {name: all, allow: [upgrade], who: [ada], nodes: ['*']}\n"
        )
        #expect(policy.version == 3)
        #expect(policy.expires == UTCTime(seconds: 1_900_000_000))
    }

    @Test(
        "a mistake is named with line and column",
        arguments: [
            (
                "  - {name: all, allow: [upgrad], who: [ada], nodes: ['*']}\n",
                "p.yaml:7:25: rules[0].allow[0]: 'upgrad'"
            ),
            ("  - {name: all, allow: [upgrade], who: [bob], nodes: ['*']}\n", "p.yaml:7:41: rules[0].who[0]: 'bob'"),
            ("  - {name: all, allow: [upgrade], who: [ada], nodes: [web]}\n", "p.yaml:7:55: rules[0].nodes[0]: is not"),
            ("  - {name: all, allow: [upgrade], whom: [ada], nodes: ['*']}\n", "p.yaml:7:35: rules[0].whom: 'whom'"),
            ("  - {name: all, allow: [upgrade], who: [ada]}\n", "p.yaml:7:5: rules[0].nodes: is missing"),
            ("  - {name: all, name: b}\n", "p.yaml:7:"),
            (
                "  - {name: all, allow: [ssh-certificate], who: [ada], nodes: ['*']}\n",
                "p.yaml:7:5: rules[0]: 'ssh-certificate' needs 'users'"
            ),
            (
                "  - {name: all, allow: [ssh-certificate], who: [ada], nodes: ['*'], users: ['a,b']}\n",
                "rules[0].users[0]: is not"
            ),
            (
                "  - {name: all, allow: [ssh-certificate], who: [ada], nodes: ['*'], users: [a], max_seconds: 86401}\n",
                "rules[0].max_seconds: no certificate lives longer than 86400 seconds"
            ),
            (
                "  - {name: all, allow: [ssh-certificate], who: [ada], nodes: ['*'], users: [a], extensions: [pty]}\n",
                "rules[0].extensions[0]: 'pty' is no extension"
            ),
            (
                "  - {name: all, allow: [upgrade], who: [ada], nodes: ['*'], users: [a]}\n",
                "rules[0].users: 'users' means something for 'ssh-certificate' only"
            ),
            ("  - name: [\n", "p.yaml:8:1:"),
            ("  - name: &a [*a]\n", "p.yaml:"),
        ]
    )
    func mistakes(_ rules: String, _ expected: String) {
        #expect(mistake(Self.head + rules).contains(expected), "\(mistake(Self.head + rules))")
    }

    @Test("freezes are compiled to UTC, across a change of the clocks, and said in words with limits and urgency")
    func pace() throws {
        let rules = "  - {name: all, allow: [upgrade], who: [ada], nodes: ['*']}\n"
        let policy = try compile(
            Self.head + rules + """
                freezes:
                  - {name: easter, reason: nobody is there, from: "2027-03-25 12:00", until: "2027-03-30 08:00",
                     zone: Europe/Berlin, nodes: ["*"], except_security: true}
                  - {name: move, from: 2027-05-01T00:00:00Z, until: 2027-05-02T00:00:00Z, nodes: ["tag:db"]}
                limits: {db: 1}
                urgency: {security: {skip_bake: true, ignore_windows: true}}

                """
        )
        #expect(policy.freezes.map(\.from.description) == ["2027-03-25T11:00:00Z", "2027-05-01T00:00:00Z"])
        #expect(policy.freezes.map(\.until.description) == ["2027-03-30T06:00:00Z", "2027-05-02T00:00:00Z"])
        #expect(policy.freezes.map(\.exceptSecurity) == [true, false])
        let lines = PolicySummary(policy, now: UTCTime(seconds: 1_800_000_000)).lines.map(\.plain)
        let expected = [
            "frozen by 'easter' (nobody is there): * from 2027-03-25T11:00:00Z until 2027-03-30T06:00:00Z, "
                + "except for security releases",
            "frozen by 'move': tag:db from 2027-05-01T00:00:00Z until 2027-05-02T00:00:00Z",
            "at most 1 with tag db is changed at one moment", "security releases skip the time to bake",
            "security releases do not wait for windows",
        ]
        #expect(Array(lines.suffix(expected.count)) == expected)
        let before = try compile(Self.head + rules)
        #expect(PolicyDifference(from: before, to: policy).lines.map(\.plain) == expected.map { "+ " + $0 })
        #expect(PolicyDifference(from: policy, to: policy).isEmpty)
    }

    @Test(
        "a mistake in freezes, limits or urgency is named with line and column",
        arguments: [
            (
                "freezes:\n  - {name: a, from: x, until: y, nodes: ['*']}\n",
                "p.yaml:9:15: freezes[0].from: is not a time"
            ),
            (
                "freezes:\n  - {name: a, from: '2027-03-25', until: '2027-03-26 08:00', zone: UTC, nodes: ['*']}\n",
                "p.yaml:9:15: freezes[0].from: '2027-03-25' is not YYYY-MM-DD HH:MM, by the clock of UTC"
            ),
            (
                "freezes:\n  - {name: a, from: '2027-03-25 08:00', until: '2027-03-25 08:00', zone: UTC, nodes: ['*']}\n",
                "freezes[0].until: is not after 'from'"
            ),
            (
                "freezes:\n  - {name: a, from: '2027-03-25 08:00', until: '2027-03-26 08:00', zone: Nowhere, nodes: ['*']}\n",
                "freezes[0].zone: there is no time zone 'Nowhere'"
            ),
            ("freezes:\n  - {name: a, form: x}\n", "p.yaml:9:15: freezes[0].form: 'form' is not known here"),
            ("limits: {DB: 1}\n", "p.yaml:8:10: limits.DB: 'DB' is not"),
            ("limits: {db: none}\n", "limits.db: a limit is a number of nodes"),
            (
                "urgency: {security: {skip_canary: true}}\n",
                "urgency.security.skip_canary: 'skip_canary' is not known here"
            ),
            ("urgency: {security: {skip_bake: 1}}\n", "urgency.security.skip_bake: expected a boolean"),
        ]
    )
    func paceMistakes(_ part: String, _ expected: String) {
        let text = Self.head + "  - {name: all, allow: [upgrade], who: [ada], nodes: ['*']}\n" + part
        #expect(mistake(text).contains(expected), "\(mistake(text))")
    }

    @Test("a key without an expiry is a mistake")
    func keyWithoutExpiry() {
        let text =
            Self.head.replacing("        expires: 2028-01-01T00:00:00Z\n", with: "")
            + "  - {name: all, allow: [upgrade], who: [ada], nodes: ['*']}\n"
        #expect(mistake(text).contains("p.yaml:4:9: operators.ada.keys[0].expires: is missing"), "\(mistake(text))")
    }

    @Test("a bomb of aliases is refused")
    func aliasBomb() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<9 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
                + "]\n"
        }
        #expect(mistake(text).contains("too large or too deep"), "\(mistake(text).prefix(200))")
    }

    @Test("a new policy is shown as a difference, signed by the policy key and published")
    func publishes() async throws {
        try await Workshop.fleet { workshop, ada in
            let file = ada.folder.path + "/fleet-policy.yaml"
            let text = String(decoding: try BoundedFile.read(file, limit: 100_000), as: UTF8.self)
            try AtomicFile.write(
                Array(
                    text.replacing(
                        "allow: [enroll, tag-node, extend-node, exempt-node, remove-node, upgrade, roll-back]",
                        with: "allow: [upgrade]"
                    ).utf8
                ),
                to: file
            )
            let published = await ada.signs("policy", "publish", file)
            #expect(published.status == 0, "\(published.all)")
            #expect(published.output.contains("-     \"enroll\","), "\(published.output)")
            #expect(published.output.contains("published policy version 2"))
            let shown = await ada.muster("policy", "show")
            #expect(shown.output.contains("policy 2, issued"))
            #expect(shown.output.contains("group:owners may upgrade on *"))
        }
    }

    @Test("a policy under its threshold is staged for the second signer, who sees what it says")
    func policyThreshold() async throws {
        try await Workshop.fleet(["--policy-keys", "2", "--policy-threshold", "2"]) { workshop, ada in
            let ben = try await workshop.person("ben")
            try await ben.joins(takingFrom: ada, key: "policy-2.key")
            let file = ada.folder.path + "/fleet-policy.yaml"
            let staged = await ada.signs("policy", "publish", file)
            #expect(staged.output.contains("signed by 1 of 2 needed"), "\(staged.all)")
            let path = ada.home + "/config/staged/policy-2.json"
            let signed = await ben.signs("policy", "sign", path)
            #expect(signed.output.contains("rule: owners may do everything"), "\(signed.all)")
            #expect(await ben.muster("policy", "publish", path).errors.contains("session") == false)
            #expect(await ada.muster("policy", "publish", path).status == 0)
            #expect(workshop.service.with { $0.versions["policy"] } == 2)
        }
    }
}
