import CanonicalJSON
import Glibc
import MusterSystem
import Synchronization

/// A whole fleet of the real programs for one test: musterd (on loopback unless placed elsewhere), operators with keys of
/// their own, nodes that each own a dpkg database.
///
/// Everything lives in one temporary folder; at the end the programs are ended by their process ids, last first.
public actor FleetFixture {
    /// Where everything is.
    public nonisolated let folder: TemporaryFolder
    /// The service's address.
    public nonisolated let address: String
    /// The fleet's id.
    public private(set) var fleet = ""
    /// The running musterd.
    public nonisolated var service: RunningProgram { running.withLock { $0 } }
    private nonisolated let running: Mutex<RunningProgram>
    private nonisolated let placement: FleetPlacement
    private var agents: [(name: String, program: RunningProgram)] = []
    private var logs = 0

    /// Runs a test in a new fleet made by `ada`; `options` are added to `muster fleet init`.
    ///
    /// `policy` is given the public key line of each operator in turn and returns the policy's source; without it ada may
    /// do everything.
    public static func run(
        operators: [String] = ["ada"],
        options: [String] = [],
        placement: FleetPlacement = FleetPlacement(),
        policy: (@Sendable ([String]) -> String)? = nil,
        _ test: @Sendable (FleetFixture) async throws -> Void
    ) async throws {
        let fixture = try await FleetFixture(placement)
        do {
            try await fixture.found(operators, options, policy)
            try await test(fixture)
        } catch {
            let story = await fixture.story()
            await fixture.end()
            throw RunningProgram.Failure("\(error)\n\(story)")
        }
        await fixture.end()
    }

    private init(_ placement: FleetPlacement) async throws {
        self.placement = placement
        folder = try TemporaryFolder()
        let (program, found) = try await Self.startService(folder, placement, placement.serviceOptions, "musterd.log")
        running = Mutex(program)
        address = placement.address ?? found
    }

    private static func startService(
        _ folder: TemporaryFolder,
        _ placement: FleetPlacement,
        _ more: [String],
        _ log: String
    ) async throws -> (RunningProgram, String) {
        let options = ["--state-dir", folder.file("service"), "--report-seconds", "1", "--log-level", "warning"]
        let (program, arguments) = placement.command(
            FleetPlacement.service,
            try BuiltProgram("musterd").path,
            ["serve"] + options + more
        )
        let running = try RunningProgram(program, arguments, log: folder.file(log))
        for _ in 0..<2400 {
            try await Task.sleep(for: .milliseconds(50))
            let line = running.output.split(separator: "\n").first { $0.contains("listening on ") }
            if let found = line?.split(separator: " ").last { return (running, String(found)) }
        }
        await running.end()
        throw RunningProgram.Failure("musterd did not start:\n\(running.output)")
    }

    /// Ends the service, lets `body` do something to the files in the folder `service`, and starts it at the same address.
    public func restartService(_ body: @Sendable () async throws -> Void = {}) async throws {
        await service.end()
        try await body()
        logs += 1
        let listen = String(address.split(separator: "/").last ?? "")
        let options = placement.serviceOptions.map { $0 == "127.0.0.1:0" ? listen : $0 }
        let (program, _) = try await Self.startService(folder, placement, options, "musterd-\(logs).log")
        running.withLock { $0 = program }
    }

    /// Ends what still runs, last first.
    private func end() async {
        for agent in agents.reversed() { await agent.program.end() }
        agents = []
        await service.end()
    }

    /// What the programs said, for the report of a failed test.
    private func story() -> String {
        (agents.map { ($0.name, $0.program.output) } + [("musterd", service.output)])
            .map { "--- \($0.0)\n\($0.1.suffix(4000))" }.joined(separator: "\n")
    }

    // MARK: Operators

    private func found(
        _ operators: [String],
        _ options: [String],
        _ policy: (@Sendable ([String]) -> String)?
    ) async throws {
        try folder.write("passphrase", "a passphrase for tests\n".utf8)
        var lines: [String] = []
        for name in operators {
            try Directory.create(folder.file("desk"), mode: 0o755)
            let key = folder.file("desk/\(name)")
            try await succeed("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key])
            lines.append(try text("desk/\(name).pub"))
        }
        var arguments = ["fleet", "init", "--service", address, "--operator", operators[0]]
        arguments += ["--operator-key", folder.file("desk/\(operators[0]).pub")]
        arguments += ["--setup-token-file", folder.file("service/setup-token")] + passphrase + options
        if let policy { arguments += ["--policy", try folder.write("policy.yaml", policy(lines).utf8)] }
        let said = try await muster(arguments, as: operators[0])
        fleet = said.split(separator: "\n").first { $0.hasPrefix("fleet ") }.map { String($0.dropFirst(6)) } ?? ""
        for name in operators.dropFirst() {
            let key = folder.file("desk/\(name).pub")
            let join = ["fleet", "join", "--service", address, "--fleet", fleet]
            try await muster(join + ["--operator", name, "--operator-key", key], as: name)
        }
    }

    /// The options that name the file with the passphrase of every sealed key.
    public nonisolated var passphrase: [String] { ["--passphrase-file", folder.file("passphrase")] }

    /// The configuration folder of an operator.
    public nonisolated func desk(_ name: String) -> String { folder.file("desk/\(name).config") }

    /// Runs `muster` as an operator and returns what it printed; it must exit with `status`.
    @discardableResult
    public func muster(_ arguments: [String], as name: String = "ada", status: Int32 = 0) async throws -> String {
        var environment = Command.plainEnvironment
        environment["MUSTER_CONFIG_DIR"] = desk(name)
        environment["HOME"] = folder.file("desk")
        let command = placement.command(name, try BuiltProgram("muster").path, arguments)
        let result = try await Command(command.0, command.1, environment: environment).run(
            timeout: .seconds(180),
            outputLimit: 1 << 22
        )
        guard result.ending == .exited(status) else {
            let said = result.outputText + result.errorText
            throw RunningProgram.Failure(
                "muster \(arguments.joined(separator: " ")) \(result.endingText), expected \(status):\n\(said)"
            )
        }
        return result.outputText
    }

    /// What `muster … --json` printed, read.
    public func json(_ arguments: [String], as name: String = "ada") async throws -> JSONValue {
        try JSONValue.parse(Array(try await muster(arguments + ["--json"], as: name).utf8), limit: 1 << 22)
    }

    /// Builds a package and returns its path.
    public func build(_ package: TestPackage) async throws -> String {
        try folder.write("packages/" + package.fileName, try await package.build())
    }

    // MARK: Nodes

    /// Lets nodes with these names and this tag in, starts their agents and waits for their first reports.
    public func addNodes(_ names: [String], tag: String = "web") async throws {
        try await enrollNodes(names, tag: tag)
        for name in names { try startAgent(name) }
        try await waitUntilOnline(names)
    }

    /// Lets nodes in without starting their agents; `settings` are further members of their configuration.
    public func enrollNodes(_ names: [String], tag: String = "web", settings: String? = nil) async throws {
        let token = try await muster(["enroll", "token", "--tag", tag, "--uses", "\(names.count)"])
        let tokenFile = try folder.write("token-\(names[0])", token.utf8)
        for name in names {
            try Directory.create(root(name), mode: 0o755)
            let more = placement.agentSettings + (settings.map { ", " + $0 } ?? "")
            let text = "{\"root\": \"\(root(name))\", \"report_seconds\": 1\(more)}"
            try folder.write("nodes/\(name)/agent.json", text.utf8)
            let (program, arguments) = placement.command(
                name,
                try BuiltProgram("muster-agent").path,
                ["enroll", "--service", address, "--token-file", tokenFile, "--name", name] + state(name)
            )
            try await succeed(program, arguments)
        }
    }

    /// Until its first report a node's architecture is unknown, and no rollout selects it.
    public func waitUntilOnline(_ names: [String]) async throws {
        for _ in 0..<240 {
            let lines = try await muster(["node", "list", "--state", "online"]).split(separator: "\n")
            if names.allSatisfy({ name in lines.contains { $0.hasPrefix(name + " ") } }) { return }
            try await Task.sleep(for: .milliseconds(500))
        }
        throw RunningProgram.Failure("not all of \(names) came online")
    }

    /// The root folder of a node's packages.
    public nonisolated func root(_ name: String) -> String {
        placement.agentRoot ?? folder.file("nodes/\(name)/root")
    }

    /// Starts the agent of a node that is enrolled.
    public func startAgent(_ name: String) throws {
        logs += 1
        let (program, arguments) = placement.command(
            name,
            try BuiltProgram("muster-agent").path,
            ["serve", "--config", folder.file("nodes/\(name)/agent.json")] + state(name)
        )
        let log = folder.file("nodes/\(name)/agent-\(logs).log")
        agents.append((name, try RunningProgram(program, arguments, log: log)))
    }

    /// Runs `muster-agent` on a node and returns what it printed.
    public func agent(_ name: String, _ arguments: [String]) async throws -> String {
        let built = try BuiltProgram("muster-agent").path
        let (program, arguments) = placement.command(name, built, arguments + state(name))
        return try await Command(program, arguments).run(timeout: .seconds(60)).outputText
    }

    /// Ends the agent of a node and returns its exit status.
    @discardableResult
    public func stopAgent(_ name: String) async -> Int32? {
        guard let index = agents.lastIndex(where: { $0.name == name }) else { return nil }
        return await agents.remove(at: index).program.end()
    }

    /// The files that are mapped into the memory of a node's agent.
    public func mappedFiles(ofAgent name: String) throws -> Set<String> {
        guard let agent = agents.last(where: { $0.name == name }) else {
            throw RunningProgram.Failure("no agent runs for \(name)")
        }
        return try agent.program.mappedFiles()
    }

    /// The version of a package that dpkg itself says is installed; empty where there is none.
    public func installed(_ package: String, on name: String) async throws -> String {
        let format = ["--show", "--showformat", "${Version} ${db:Status-Status}", package]
        let query = Command("/usr/bin/dpkg-query", ["--admindir", root(name) + "/var/lib/dpkg"] + format)
        let result = try await query.run(timeout: .seconds(120))
        if result.ending == .exited(1), result.errorText.contains("no packages found") { return "" }
        guard result.succeeded else {
            throw RunningProgram.Failure("dpkg-query \(result.endingText): \(result.outputText)\(result.errorText)")
        }
        let words = result.outputText.split(separator: " ")
        return words.count == 2 && words[1] == "installed" ? String(words[0]) : "(\(result.outputText))"
    }

    /// Waits until a rollout is as it should be; shows it as it is when that takes too long.
    public func wait(
        for rollout: String,
        within seconds: Int = 120,
        until isReached: @Sendable (JSONValue) -> Bool
    ) async throws {
        var last: JSONValue = .null
        for _ in 0..<(seconds * 2) {
            last = try await json(["rollout", "show", rollout])
            if isReached(last) { return }
            try await Task.sleep(for: .milliseconds(500))
        }
        throw RunningProgram.Failure("rollout \(rollout) did not come to where it should:\n\(last.prettyText)")
    }

    /// The folder of a node's key and state.
    public nonisolated func stateFolder(_ name: String) -> String { folder.file("nodes/\(name)/state") }

    private nonisolated func state(_ name: String) -> [String] { ["--state-dir", stateFolder(name)] }

    private func succeed(_ program: String, _ arguments: [String]) async throws {
        let result = try await Command(program, arguments).run(timeout: .seconds(120))
        guard result.succeeded else {
            throw RunningProgram.Failure("\(program) \(arguments) \(result.endingText):\n\(result.errorText)")
        }
    }

    private func text(_ name: String) throws -> String {
        String(decoding: try BoundedFile.read(folder.file(name), limit: 65536).filter { $0 != 0x0A }, as: UTF8.self)
    }
}
