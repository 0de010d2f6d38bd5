import CanonicalJSON
import MusterModel
import MusterTestSupport
import Testing

@Suite("ApprovedCommand")
struct ApprovedCommandTests {
    static func name(_ text: String) throws -> ParameterName { try #require(ParameterName(text)) }
    static func root() throws -> AccountName { try #require(AccountName("root")) }

    static func command(
        _ argv: [String],
        _ parameters: [String: CommandParameter] = [:],
        environment: [String: String] = [:],
        allow: [String] = [],
        input: String? = nil
    ) throws -> ApprovedCommand {
        var named: [ParameterName: CommandParameter] = [:]
        for (key, value) in parameters { named[try name(key)] = value }
        return ApprovedCommand(
            argv: argv,
            parameters: named,
            user: try root(),
            environment: environment,
            environmentAllow: allow,
            input: input
        )
    }

    @Test("a value is part of one word, whatever it holds")
    func oneWord() throws {
        let any = CommandParameter(.text(ValuePattern(".*")))
        let command = try Self.command(["/bin/echo", "a{x}b", "{{literal}}", "{x}{x}"], ["x": any])
        let resolved = try command.resolve([try Self.name("x"): ["1 2; $(reboot) {y} '\""]])
        #expect(
            resolved.argv == [
                "/bin/echo", "a1 2; $(reboot) {y} '\"b", "{literal}", "1 2; $(reboot) {y} '\"1 2; $(reboot) {y} '\"",
            ]
        )
    }

    @Test("a list becomes as many words as it has values")
    func list() throws {
        let packages = CommandParameter(.text(ValuePattern("[a-z]+")), list: 3)
        let command = try Self.command(["/usr/bin/apt-get", "install", "--", "{packages}"], ["packages": packages])
        let name = try Self.name("packages")
        #expect(try command.resolve([name: ["curl", "vim"]]).argv.dropFirst(3) == ["curl", "vim"])
        #expect(throws: CommandProblem.self) { try command.resolve([name: ["a", "b", "c", "d"]]) }
        #expect(throws: CommandProblem.self) { try command.resolve([name: []]) }
    }

    @Test("a value that reads as an option is refused unless the command allows it")
    func dash() throws {
        let name = try Self.name("file")
        let strict = try Self.command(["/bin/rm", "{file}"], ["file": CommandParameter(.text(ValuePattern(".*")))])
        #expect(throws: CommandProblem.self) { try strict.resolve([name: ["-rf"]]) }
        let open = CommandParameter(.text(ValuePattern(".*")), mayBeginWithDash: true)
        #expect(try Self.command(["/bin/rm", "{file}"], ["file": open]).resolve([name: ["-rf"]]).argv[1] == "-rf")
        let number = CommandParameter(.integer(minimum: -5, maximum: 5))
        #expect(try Self.command(["/bin/nice", "{file}"], ["file": number]).resolve([name: ["-5"]]).argv[1] == "-5")
    }

    @Test(
        "arguments outside their type are refused",
        arguments: [
            (
                CommandParameter(.integer(minimum: 1, maximum: 9)),
                ["0", "10", "01", "+1", "1 ", "", "a", "9223372036854775808"]
            ),
            (CommandParameter(.integer(minimum: 5, maximum: 1)), ["1", "3", "5"]),
            (CommandParameter(.choice(["on", "off"])), ["", "On", "on ", "onoff"]),
            (
                CommandParameter(.text(ValuePattern("[a-z]+"))),
                ["", "a\nb", "a\u{0}", "é", "A", String(repeating: "a", count: 4097)]
            ),
            (CommandParameter(.unknown("path")), ["/etc"]),
        ]
    )
    func outside(_ parameter: CommandParameter, _ values: [String]) throws {
        let command = try Self.command(["/bin/true", "{x}"], ["x": parameter])
        let name = try Self.name("x")
        for value in values { #expect(throws: CommandProblem.self) { try command.resolve([name: [value]]) } }
        #expect(throws: CommandProblem.self) { try command.resolve([:]) }
        #expect(throws: CommandProblem.self) { try command.resolve([name: ["a"], try Self.name("other"): ["b"]]) }
    }

    @Test("a secret stands in input and environment only, and never in the resolved text")
    func secrets() throws {
        let secret = CommandParameter(.text(ValuePattern(".{4,}")), isSecret: true)
        let name = try Self.name("password")
        let seen = try Self.command(["/bin/echo", "{password}"], ["password": secret])
        #expect(seen.problems.map(\.location) == ["argv[1]"])
        #expect(throws: CommandProblem.self) { try seen.resolve([:]) }
        let command = try Self.command(
            ["/bin/login"],
            ["password": secret],
            environment: ["PGPASSWORD": "{password}"],
            input: "user\n{password}\n"
        )
        #expect(throws: CommandProblem.self) { try command.resolve([name: ["hunter22"]]) }
        let resolved = try command.resolve([:])
        #expect(resolved.input?.shown == "user\n‹password›\n")
        #expect(resolved.secrets == [name])
        #expect(resolved.input?.filled([:]) == nil)
        #expect(resolved.input?.filled([name: Array("s3cr3t".utf8)]) == Array("user\ns3cr3t\n".utf8))
    }

    @Test(
        "variables that change which code runs cannot be asked for",
        arguments: [
            "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "IFS", "GLIBC_TUNABLES", "1A", "A=B", "",
        ]
    )
    func forbiddenVariables(_ name: String) throws {
        #expect(!EnvironmentVariable.mayBeAsked(name))
        let command = try Self.command(["/bin/true"], allow: [name])
        #expect(!command.problems.isEmpty)
        #expect(throws: CommandProblem.self) { try command.resolve([:], environment: [name: "x"]) }
    }

    @Test("only the variables that the command allows can be set, and not those that it sets itself")
    func variables() throws {
        let command = try Self.command(["/bin/true"], environment: ["LANG": "C"], allow: ["DEBUG", "LANG"])
        #expect(try command.resolve([:], environment: ["DEBUG": "1"]).environment["DEBUG"]?.shown == "1")
        #expect(throws: CommandProblem.self) { try command.resolve([:], environment: ["LANG": "de"]) }
        #expect(throws: CommandProblem.self) { try command.resolve([:], environment: ["OTHER": "1"]) }
        #expect(throws: CommandProblem.self) { try command.resolve([:], environment: ["DEBUG": "a\nb"]) }
    }

    @Test(
        "a command with a fault runs with no arguments at all",
        arguments: [
            (["bin/true"], "argv[0]"), ([], "argv[0]"), (["/bin/{x}"], "argv[0]"), (["/bin/true", "{y}"], "argv[1]"),
            (["/bin/true", "{x"], "argv[1]"), (["/bin/true", "x}"], "argv[1]"), (["/bin/true", "a\nb"], "argv[1]"),
        ]
    )
    func faults(_ argv: [String], _ location: String) throws {
        let command = try Self.command(argv, ["x": CommandParameter(.text(ValuePattern("a")), standard: ["a"])])
        #expect(command.problems.contains { $0.location == location })
        #expect(throws: CommandProblem.self) { try command.resolve([:]) }
    }

    @Test("what a later version says is kept, and cannot be run here")
    func unknownMembers() throws {
        let text = #"{"argv":["/bin/true"],"sandbox":"strict","user":"root"}"#
        let command = try ApprovedCommand(JSONFields(try JSONValue.parse(Array(text.utf8), limit: 1000)))
        #expect(String(decoding: command.json.canonicalBytes, as: UTF8.self) == text)
        #expect(throws: CommandProblem.self) { try command.resolve([:]) }
        let later = #"{"argv":["/bin/true","{x}"],"parameters":{"x":{"mode":7,"type":"path"}},"user":"root"}"#
        let other = try ApprovedCommand(JSONFields(try JSONValue.parse(Array(later.utf8), limit: 1000)))
        #expect(String(decoding: other.json.canonicalBytes, as: UTF8.self) == later)
        #expect(throws: CommandProblem.self) { try other.resolve([try Self.name("x"): ["/etc"]]) }
    }

    @Test("two spellings of one text of Unicode are two commands")
    func spelling() throws {
        let composed = try Self.command(["/bin/echo", "\u{E9}"])
        let decomposed = try Self.command(["/bin/echo", "e\u{301}"])
        #expect(composed == decomposed)
        #expect(!composed.isSame(as: decomposed))
        #expect(composed.isSame(as: composed))
    }

    @Test("a command is read as it was written")
    func roundTrip() throws {
        let command = ApprovedCommand(
            argv: ["/bin/a", "{one}", "{many}"],
            parameters: [
                try Self.name("one"): CommandParameter(
                    .integer(minimum: -1, maximum: 7),
                    standard: ["0"],
                    text: "a number"
                ),
                try Self.name("many"): CommandParameter(.choice(["x", "y"]), list: 2, mayBeginWithDash: true),
                try Self.name("hidden"): CommandParameter(.text(ValuePattern("[a-z]+")), isSecret: true),
            ],
            user: try #require(AccountName("deploy")),
            text: "does it",
            directory: "/srv",
            environment: ["A": "b{one}"],
            environmentAllow: ["DEBUG"],
            input: "{hidden}\n",
            timeoutSeconds: 5,
            outputBytes: 2048
        )
        #expect(command.problems.isEmpty)
        let bytes = command.json.canonicalBytes
        let again = try ApprovedCommand(JSONFields(try JSONValue.parse(bytes, limit: 100_000)))
        #expect(again == command)
        #expect(again.json.canonicalBytes == bytes)
    }
}
