import CanonicalJSON
import MusterModel
import Testing

/// The line that a certificate forces leaves nothing to whoever holds the session.
@Suite struct ShellLineTests {
    private let run: RunID

    init() throws {
        run = try #require(RunID("000102030405060708090a0b0c0d0e0f"))
    }

    private func line(
        _ argv: [String],
        input: String? = nil,
        environment: [String: String] = [:],
        directory: String = "/"
    ) throws -> String? {
        let command = ApprovedCommand(
            argv: argv,
            user: try #require(AccountName("web")),
            directory: directory,
            environment: environment,
            input: input
        )
        return try command.resolve([:]).shellLine(run: run)
    }

    @Test("it fixes the whole environment, the folder and the time, and quotes every word")
    func whole() throws {
        let line = try #require(
            try line(["/bin/echo", "a b", "it's"], environment: ["LANG": "C.UTF-8"], directory: "/srv/my site")
        )
        #expect(line.hasPrefix("cd '/srv/my site' && "))
        for part in [
            "/usr/bin/env -i ", " USER='web' ", " LANG='C.UTF-8' ", " MUSTER_RUN=000102030405060708090a0b0c0d0e0f ",
            "/usr/bin/timeout ", "'/bin/echo' 'a b' 'it'\\''s'",
        ] {
            #expect(line.contains(part), "\(part)")
        }
    }

    @Test(
        "a value that begins with a mark, a joiner or a variation selector stands whole behind its name",
        arguments: ["\u{301}", "\u{200D}", "\u{FE0F}"]
    )
    func marks(_ mark: String) throws {
        let line = try #require(try line(["/bin/true"], environment: ["TARGET": mark + "/x=1"]))
        #expect(line.utf8.contains(" TARGET='\(mark)/x=1' /usr/bin/timeout ".utf8))
    }

    @Test("a command cannot say that it is another run")
    func otherRun() throws {
        let line = try #require(try line(["/bin/true"], environment: ["MUSTER_RUN": "other"]))
        #expect(line.contains(" MUSTER_RUN=\(run) ") && !line.contains("other"))
    }

    @Test("it is the same for the same command and run, and another for any other")
    func pure() throws {
        let first = try line(["/bin/echo", "a"])
        #expect(try line(["/bin/echo", "a"]) == first)
        #expect(try line(["/bin/echo", "b"]) != first)
        #expect(try line(["/bin/echo", "a"], input: "x") != first)
        #expect(try line(["/bin/echo", "a"], directory: "/tmp") != first)
        #expect(try line(["/bin/echo", "a"], environment: ["A": "b"]) != first)
    }

    @Test("none for a command that takes secrets, nor where it would be too long")
    func none() throws {
        let secret = try #require(ParameterName("secret"))
        let pattern = ValuePattern(".*")
        let command = ApprovedCommand(
            argv: ["/bin/cat"],
            parameters: [secret: CommandParameter(.text(pattern), isSecret: true)],
            user: try #require(AccountName("web")),
            input: "{secret}"
        )
        #expect(try command.resolve([:]).shellLine(run: run) == nil)
        #expect(try line(["/bin/echo", String(repeating: "x", count: 4096)]) == nil)
    }
}
