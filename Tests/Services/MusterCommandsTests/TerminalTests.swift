import ByteCoding
import CanonicalJSON
import MusterAPI
import Synchronization
import Testing

@testable import MusterCommands

/// The rules of what is written where, and how.
@Suite
struct TerminalTests {
    @Test("control characters of others never reach the terminal")
    func harmless() {
        #expect(StyledText("a\u{1B}[31mb\u{7}\u{202E}c\n").plain == "a?[31mb??c?")
    }

    /// What a terminal was made to show, on either stream.
    private final class Written: Sendable {
        private let shown = Mutex("")

        var text: String { shown.withLock { $0 } }

        func terminal(_ kind: Terminal.Kind = Terminal.Kind()) -> Terminal {
            Terminal(kind) { text, _ in self.shown.withLock { $0 += text } }
        }
    }

    @Test("attack: the name of a node cannot rewrite the question before whoever signs")
    func question() {
        let written = Written()
        let terminal = written.terminal(Terminal.Kind(canAsk: true))
        terminal.show(question: "sign these tags for web\u{1B}[1A\u{1B}[2K\r\u{9B}2Kdb\u{202E}?")
        #expect(written.text == "sign these tags for web?[1A?[2K??2Kdb?? [y/N]\n")
    }

    @Test("attack: what a node writes cannot steer the terminal through --json, and is the same to who reads it")
    func json() throws {
        let text = "a\u{7F}\u{9B}2J\u{1B}[2J\u{202E}b\u{2066}\u{200B}\u{2028}\u{E0041}\u{E9}\n\"\\"
        let value: JSONValue = ["out": .string(text), "list": [.string(text)]]
        for isPretty in [true, false] {
            let written = Written()
            let terminal = written.terminal()
            if isPretty { terminal.json(value) } else { terminal.jsonLine(value) }
            #expect(!written.text.unicodeScalars.contains { $0 != "\n" && $0.isSteering }, "\(written.text)")
            #expect(written.text.contains(#"a\u007f\u009b2J\u001b[2J\u202eb"#), "\(written.text)")
            #expect(written.text.contains(#"\udb40\udc41"#) && written.text.contains("\u{E9}"), "\(written.text)")
            #expect(try JSONValue.parse(Array(written.text.utf8), limit: 100_000) == value)
        }
    }

    @Test("colours only where they are shown")
    func colours() {
        let text = StyledText("bad", .loud) + " plain"
        #expect(text.rendered(colors: false) == "bad plain")
        #expect(text.rendered(colors: true) == "\u{1B}[1;31mbad\u{1B}[0m plain")
    }

    @Test("a line of a picture is cut where the screen ends")
    func truncated() {
        #expect((StyledText("abc") + StyledText("defgh", .bold)).truncated(to: 5).plain == "abcd…")
        #expect(StyledText("abc").truncated(to: 3).plain == "abc")
    }

    @Test(
        "the command line that makes no sense ends with 2 and one line that says what to do",
        arguments: [
            (["node", "lst"], "muster: unexpected argument 'lst'\n"),
            (["node", "list", "--sort", "size"], "muster: the value 'size' is invalid for '--sort <sort>'"),
            (["rollout", "start", "x", "--stages", "0"], "muster: the value '0' is invalid for '--stages <list>'"),
            (["enroll", "token", "--uses", "0"], "muster: --uses is not within 1 to 100000\n"),
            (["release", "add"], "muster: missing expected argument"),
        ]
    )
    func usage(_ arguments: [String], _ expected: String) async throws {
        try await Workshop.run { workshop in
            let outcome = await (try await workshop.person("ada")).muster(arguments)
            #expect(outcome.status == 2)
            #expect(outcome.errors.hasPrefix(expected), "\(outcome.errors)")
            #expect(outcome.output.isEmpty)
        }
    }

    @Test("help goes to standard output and ends with 0")
    func help() async throws {
        try await Workshop.run { workshop in
            let ada = try await workshop.person("ada")
            let outcome = await ada.muster("verify", "--help")
            #expect(outcome.status == 0)
            #expect(
                outcome.output.contains("exit status: 0 the file is trusted; 1 it is not; 2 it could not be found out")
            )
            #expect(outcome.errors.isEmpty)
            #expect(await ada.muster("release", "list").errors.hasPrefix("muster: no fleet is configured in "))
        }
    }

    @Test("a rollout's picture has a bar for each stage and names who is in trouble")
    func picture() {
        let stage = RolloutRecord.Stage(
            size: 4,
            done: 2,
            inFlight: 1,
            failed: 1,
            skipped: 0,
            state: "baking",
            bakesUntil: FakeService.time.adding(seconds: 240)
        )
        let line = RolloutDisplay(now: FakeService.time, columns: 200).line(stage, 0).plain
        #expect(
            line == "  stage 1 [############!!!!!!......] 2 of 4 confirmed, 1 at work, 1 failed baking, 4 min left"
        )
    }

    @Test("attack: a space that is none and a quote with a mark on it make no two words of one, nor one of two")
    func quoted() {
        #expect(RunWords.quoted("web\u{A0}--dry-run") == #"'web\u{a0}--dry-run'"#)
        #expect(RunWords.quoted("a'\u{301} b") == #"'a'\''\u{301} b'"#)
        #expect(RunWords.quoted("a'\u{1F3FB} b").unicodeScalars.count { $0 == "'" } == 5)
        #expect(RunWords.quoted("\u{3164}") == #"'\u{3164}'"#)
        #expect(RunWords.quoted(#"a\u{a0}b"#) == #"'a\u{5c}u{a0}b'"#, "what only looks written out")
        #expect(RunWords.quoted("na\u{EF}ve") == "'na\u{EF}ve'")
        #expect(RunWords.quotedInASCII("na\u{EF}ve") == #"'na\u{ef}ve'"#)
        #expect(RunWords.quoted("nginx.service") == "nginx.service")
        #expect(RunWords.escaped("a\u{2028}b\\\n\u{AD}") == #"a\u{2028}b\\\n\u{ad}"#)
    }

    @Test("words of a command line are parted as a shell would")
    func words() throws {
        #expect(try HealthCheckArguments.words(#"/bin/test -e "/a b" 'c d'e"#) == ["/bin/test", "-e", "/a b", "c de"])
        #expect(throws: CommandFailure.self) { try HealthCheckArguments.words("'open") }
    }
}
