import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport

/// A fleet of the real programs whose policy has approved commands; ada asks, ben approves.
struct RunFleet: Sendable {
    let fleet: FleetFixture

    /// Runs a test with these nodes, all tagged `web`.
    static func run(
        _ nodes: [String],
        placement: FleetPlacement = FleetPlacement(),
        _ test: @Sendable (RunFleet) async throws -> Void
    ) async throws {
        try await FleetFixture.run(operators: ["ada", "ben"], placement: placement, policy: source) { fleet in
            // Commands run as other accounts too.
            chmod(fleet.folder.path, 0o711)
            try await fleet.addNodes(nodes)
            try await test(RunFleet(fleet: fleet))
        }
    }

    // MARK: - People

    /// What came of a command.
    struct Outcome: Sendable {
        let status: Int32
        let output: String
        let errors: String

        var text: String { "status \(status)\n\(output)---\n\(errors)" }

        /// The lines of standard output, sorted: nodes take their time.
        var lines: [String] { output.split(separator: "\n").map(String.init).sorted() }
    }

    /// Runs `muster run …`, whatever comes of it.
    func run(_ arguments: [String], as name: String = "ada") async throws -> Outcome {
        let result = try await Command(
            try BuiltProgram("muster").path,
            ["run"] + arguments,
            environment: environment(name)
        ).run(timeout: .seconds(120), outputLimit: 1 << 22)
        guard case .exited(let status) = result.ending else {
            throw RunningProgram.Failure("\(arguments) \(result.endingText): \(result.outputText)\(result.errorText)")
        }
        return Outcome(status: status, output: result.outputText, errors: result.errorText)
    }

    /// Asks for a run without waiting for it, and returns its id.
    func ask(_ arguments: [String]) async throws -> String {
        let split = arguments.firstIndex(of: "--") ?? arguments.count
        let outcome = try await run(arguments[..<split] + ["--no-wait", "--yes"] + arguments[split...])
        let words = outcome.output.split(whereSeparator: { " :".contains($0) })
        guard outcome.status == 0, words.count == 3 else { throw RunningProgram.Failure(outcome.text) }
        return String(words[1])
    }

    func environment(_ name: String) -> [String: String] {
        var environment = Command.plainEnvironment
        environment["MUSTER_CONFIG_DIR"] = fleet.desk(name)
        environment["HOME"] = fleet.folder.file("desk")
        return environment
    }

    // MARK: - Runs

    /// `muster run show --json`, the part of the run.
    func record(_ id: String) async throws -> JSONValue {
        try await fleet.json(["run", "show", id])["run"] ?? .null
    }

    /// The states of a run's nodes, by name.
    static func states(_ record: JSONValue) -> [String: String] {
        guard case .array(let nodes)? = record["nodes"] else { return [:] }
        var states: [String: String] = [:]
        for node in nodes {
            if case .string(let name)? = node["name"], case .string(let state)? = node["state"] { states[name] = state }
        }
        return states
    }

    /// Waits until a run is as it should be.
    @discardableResult
    func wait(
        for id: String,
        within seconds: Int = 120,
        until isReached: @Sendable (JSONValue) -> Bool
    ) async throws -> JSONValue {
        var last: JSONValue = .null
        for _ in 0..<(seconds * 4) {
            last = try await record(id)
            if isReached(last) { return last }
            try await Task.sleep(for: .milliseconds(250))
        }
        throw RunningProgram.Failure("run \(id) did not come to where it should:\n\(last.prettyText)")
    }

    /// The lines of a file that commands write to; none where there is none.
    func lines(of file: String) throws -> [String] {
        guard let bytes = try BoundedFile.readIfPresent(fleet.folder.file(file), limit: 1 << 20) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// The id of the newest run, once there is one that is not over.
    func newest() async throws -> String {
        for _ in 0..<480 {
            let list = try await fleet.json(["run", "list", "--limit", "1"])
            if case .array(let items)? = list["items"], case .string(let id)? = items.first?["id"] { return id }
            try await Task.sleep(for: .milliseconds(250))
        }
        throw RunningProgram.Failure("no run was asked for")
    }

    /// An operator's public key, as the policy has it.
    func publicKey(_ name: String) throws -> String {
        let bytes = try BoundedFile.read(fleet.folder.file("desk/\(name).pub"), limit: 4096)
        return String(decoding: bytes.filter { $0 != 0x0A }, as: UTF8.self)
    }

    /// The files of the whole fleet that hold some text.
    func holders(of text: String) async throws -> String {
        let result = try await Command("/bin/grep", ["-rlF", "--", text, fleet.folder.path]).run(timeout: .seconds(60))
        return result.outputText
    }

    // MARK: - Policy

    /// The account that the tests run as.
    static var account: String {
        guard let entry = getpwuid(geteuid()) else { return "root" }
        return String(cString: entry.pointee.pw_name)
    }

    /// Another account where there is a choice.
    static var other: String { geteuid() == 0 ? "nobody" : account }

    @Sendable private static func source(_ keys: [String]) -> String { policy(keys) }

    /// The policy with the command `note` writing `word` into its file.
    static func policy(_ keys: [String], note word: String = "ran") -> String {
        """
        operators:
          ada: {keys: [{public_key: \(keys[0]), expires: 2099-01-01T00:00:00Z}]}
          ben: {keys: [{public_key: \(keys[1]), expires: 2099-01-01T00:00:00Z}]}
        commands:
          surroundings:
            argv: [/bin/sh, -c, 'id -un; id -gn; pwd; umask; env | sort; ls -1 /proc/self/fd; cat; echo to errors >&2']
            user: \(other)
            directory: /usr
            environment: {LANG: C.UTF-8}
            environment_allow: [DEBUG]
          greet:
            argv: [/bin/echo, "{words}"]
            parameters: {words: {type: text, pattern: ".*", list: 4}}
            user: \(account)
          leave:
            argv: [/bin/sh, -c, 'kill -s "$2" $$; exit "$1"', sh, "{status}", "{signal}"]
            parameters:
              status: {type: integer, minimum: 0, maximum: 255}
              signal: {type: choice, values: ["0", KILL, TERM], default: "0"}
            user: \(account)
          sleep:
            argv: [/bin/sleep, "{seconds}"]
            parameters: {seconds: {type: integer, minimum: 0, maximum: 600}}
            user: \(account)
            timeout_seconds: 600
          linger:
            argv: [/bin/sh, -c, 'echo $$ > "$1"; exec sleep 500', sh, "{file}"]
            parameters: {file: {type: text, pattern: "/.*"}}
            user: \(account)
            timeout_seconds: 600
          hurry:
            argv: [/bin/sh, -c, 'echo begun; sleep 60; echo never']
            user: \(account)
            timeout_seconds: 1
          flood:
            argv: [/bin/sh, -c, 'yes | head -c 100000']
            user: \(account)
            output_bytes: 2048
          password:
            argv: [/bin/sh, -c, 'read p; echo "got $p here"; printf "%s" "$p" | wc -c; echo "$TOKEN" >&2']
            parameters: {password: {type: text, pattern: ".{8,64}", secret: true}}
            input: "{password}\\n"
            environment: {TOKEN: "{password}"}
            user: \(account)
          take:
            argv: [/bin/mkdir, "{folder}"]
            parameters: {folder: {type: text, pattern: "/.*"}}
            user: \(account)
          note:
            argv: [/bin/sh, -c, 'echo \(word) >> "$1"', sh, "{file}"]
            parameters: {file: {type: text, pattern: "/.*"}}
            user: \(account)
          careful:
            argv: [/bin/sh, -c, 'echo ran >> "$1"', sh, "{file}"]
            parameters: {file: {type: text, pattern: "/.*"}}
            user: \(account)
        rules:
          - {name: looks, allow: [ssh-certificate], who: [ada], nodes: ["*"], users: ["*"]}
          - {name: nodes, allow: [enroll, tag-node], who: [ada], nodes: ["*"], tags: ["*"]}
          - name: ada runs
            allow: [run]
            who: [ada]
            nodes: ["tag:web"]
            commands: [surroundings, greet, leave, sleep, linger, hurry, flood, password, take, note]
          - name: two are needed
            allow: [run]
            who: [ada, ben]
            nodes: ["tag:web"]
            commands: [careful]
            approvals: {count: 1, from: [ada, ben]}

        """
    }
}
