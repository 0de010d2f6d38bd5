import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterModel
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import TUF
import Testing

/// One real agent that may run a few commands, at the mercy of a service that holds all of its own keys.
///
/// Every command appends its word to one file: what an attack has run cannot be hidden.
struct HostileRunScenario: Sendable {
    /// The service.
    let service: HostileService
    private let folder: TemporaryFolder
    private let agent: AgentBox

    /// The word that the honest run at the end leaves behind.
    static let honestWord = "honest"

    /// Runs `attack` against a node that has the tags; nothing but `words` may have been run then.
    ///
    /// Afterwards an honest run shows that the door was there; not `isReachable` means that nothing can be run any more.
    static func run(
        tags: [String] = ["web"],
        leaves words: [String] = [],
        isReachable: Bool = true,
        policy: @Sendable (inout FleetSimulator) throws -> Void = { _ in },
        _ attack: @Sendable (HostileRunScenario) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        // Commands run as somebody who must be able to pass and to write.
        chmod(folder.path, 0o711)
        var fleet = try FleetSimulator(time: WallClock.now().wholeSeconds.adding(seconds: -60))
        try fleet.allowHostileRuns(folder.path)
        try policy(&fleet)
        try fleet.publishPolicy()
        let service = try HostileService(fleet: fleet, tags: tags, state: folder.file("state"))
        let answer: @Sendable (LoopbackServer.Request) async -> LoopbackServer.Reply = { await service.answer($0) }
        try await LoopbackServer.run(answer: answer) { server in
            let scenario = HostileRunScenario(service: service, folder: folder, agent: AgentBox())
            try await scenario.enroll(server)
            try await scenario.start()
            do {
                try await attack(scenario)
                #expect(scenario.words == words, "the attack ran something")
                if isReachable {
                    try await scenario.send([try await scenario.honest()], sequence: 10_000)
                    try await scenario.expectWords(words + [Self.honestWord])
                } else {
                    try await Task.sleep(for: .seconds(2))
                }
                #expect(scenario.words == words + (isReachable ? [Self.honestWord] : []))
            } catch {
                await scenario.stop()
                Issue.record("agent's log:\n\(scenario.log)")
                throw error
            }
            await scenario.stop()
        }
    }

    // MARK: What operators signed

    /// A statement that runs `mark`, which appends its word to the file.
    func statement(
        _ word: String = "evil",
        command: String = "mark",
        by signers: [String] = ["ada"],
        nodes: [NodeID]? = nil,
        definition: ApprovedCommand? = nil,
        fleet other: FleetID? = nil,
        lifetime: Int64 = 86400,
        issued: UTCTime? = nil,
        notBefore: UTCTime? = nil,
        ssh: RunBody.OverSSH? = nil
    ) async throws -> SignedStatement {
        let fleet = await service.fleet
        let body = try fleet.run(
            command,
            ["word": [word]],
            on: nodes ?? [service.node],
            definition: definition,
            notBefore: notBefore,
            ssh: ssh
        )
        return try fleet.statement(
            .run(body),
            by: signers,
            seed: "\(command) \(word)",
            lifetime: lifetime,
            fleet: other,
            issued: issued
        )
    }

    /// What the node may do, and does once.
    func honest() async throws -> SignedStatement { try await statement(Self.honestWord) }

    // MARK: What an attacker does

    /// Sends a manifest with these runs, signed by the real manifest key.
    func send(
        _ runs: [SignedStatement],
        cancelled: [RunID] = [],
        tags: [SignedStatement] = [],
        sequence: Int64 = 100
    ) async throws {
        let fleet = await service.fleet
        let manifest = try fleet.manifest(
            for: service.node,
            sequence: sequence,
            runs: runs,
            cancelled: cancelled,
            tags: tags
        )
        await service.send(sequence: sequence, manifest)
    }

    /// Sends a manifest whose entries say these ids.
    func send(entries: [(RunID, SignedStatement)], sequence: Int64 = 100) async throws {
        try await send(
            runsMember: .array(entries.map { ["run": .string($0.0.text), "statement": $0.1.json] }),
            sequence: sequence
        )
    }

    /// Sends a manifest with anything for its runs.
    func send(runsMember: JSONValue, sequence: Int64 = 100) async throws {
        let fleet = await service.fleet
        let honest = try fleet.manifest(for: service.node, sequence: sequence, runs: [])
        let envelope = try SignedEnvelope(parsing: honest, limit: UpdateManifest.byteLimit)
        guard case .object(var members) = envelope.signed else { throw FleetSimulator.Failure.impossible }
        members["runs"] = runsMember
        await service.send(sequence: sequence, try fleet.sign(.object(members), [fleet.manifestKey]).bytes)
    }

    /// Stops the agent as a crash would, and starts it again.
    func restart() async throws {
        await agent.kill()
        try await start()
    }

    // MARK: What the node does

    /// The words of everything that was run so far, in order.
    var words: [String] {
        guard let bytes = try? BoundedFile.read(folder.file("ran"), limit: 1 << 20) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Of how many runs the node keeps anything on its disk.
    var keptRuns: Int { (try? Directory.entries(folder.file("state") + "/runs").count) ?? 0 }

    /// Waits until these words were run.
    func expectWords(_ words: [String], within seconds: Int = 60) async throws {
        for _ in 0..<(seconds * 20) where self.words != words { try await Task.sleep(for: .milliseconds(50)) }
        guard self.words == words else {
            let updates = await service.runUpdates
            let said = updates.map { "\($0.update.state): \($0.update.reason)" }
            throw RunningProgram.Failure("ran \(self.words) instead of \(words); reported: \(said)")
        }
    }

    /// Waits until the node says why it does not run this; the reason must contain `reason`.
    func expectRefusal(
        of run: SignedStatement,
        _ reason: String,
        as state: RunState = .refused,
        within seconds: Int = 60
    ) async throws {
        for _ in 0..<(seconds * 20) {
            for said in await service.runUpdates where said.run == run.statement.id && said.update.state == state {
                guard said.update.reason.contains(reason) else {
                    throw RunningProgram.Failure("refused, but for another reason: \(said.update.reason)")
                }
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("nobody was told of a refusal with '\(reason)': \(await service.runUpdates)")
    }

    /// Waits until the node says that it does not run this, or nothing at all, and why.
    func expectRefusalOrHold(of run: SignedStatement, _ reason: String, within seconds: Int = 60) async throws {
        for _ in 0..<(seconds * 20) {
            if await service.reports.contains(where: { $0.hold.contains(reason) }) { return }
            let updates = await service.runUpdates
            if updates.contains(where: { $0.run == run.statement.id && $0.update.reason.contains(reason) }) { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("nobody was told of '\(reason)': \(await service.reports.map(\.hold))")
    }

    /// Waits until the node says that the process ended.
    func expectEnd(of run: SignedStatement, within seconds: Int = 60) async throws {
        for _ in 0..<(seconds * 20) {
            let updates = await service.runUpdates
            if updates.contains(where: { $0.run == run.statement.id && $0.update.state.isFinal }) { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("the run never ended: \(await service.runUpdates)")
    }

    /// Waits until the node says that it refuses an assignment, for a reason that contains `reason`.
    func expectRefusedAssignment(_ reason: String, within seconds: Int = 60) async throws {
        for _ in 0..<(seconds * 20) {
            let progress = await service.reports.flatMap(\.progress)
            if progress.contains(where: { $0.state == .refused && $0.reason.contains(reason) }) { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("no assignment was refused with '\(reason)'")
    }

    /// Waits until the node says why it obeys the whole manifest not; the reason must contain `reason`.
    func expectHold(_ reason: String, within seconds: Int = 60) async throws {
        for _ in 0..<(seconds * 20) {
            if await service.reports.contains(where: { $0.hold.contains(reason) }) { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        let holds = Set(await service.reports.map(\.hold))
        throw RunningProgram.Failure("no report held with '\(reason)': \(holds)")
    }

    /// Gives the node time to take in the manifest: it must have been fetched, and some reports must come after.
    func expectNothing(sequence: Int64? = nil, reports: Int = 3, within seconds: Int = 60) async throws {
        if let sequence {
            for _ in 0..<(seconds * 20) {
                if await service.handed.contains(sequence) { break }
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(await service.handed.contains(sequence))
        }
        let before = await service.reports.count
        for _ in 0..<(seconds * 20) {
            if await service.reports.count >= before + reports { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("the node stopped reporting")
    }

    // MARK: The agent

    private var state: [String] { ["--state-dir", folder.file("state")] }
    private var log: String { (try? Self.text(folder.file("agent.log"))) ?? "" }

    private func enroll(_ server: LoopbackServer) async throws {
        let token = try folder.write("token", Array((service.token.line + "\n").utf8))
        let status = try await RunningProgram.run(
            try BuiltProgram("muster-agent").path,
            ["enroll", "--service", server.address, "--token-file", token, "--name", "probe"] + state,
            log: folder.file("agent.log")
        )
        guard status == 0 else { throw RunningProgram.Failure("enroll exited \(status):\n\(log)") }
    }

    private func start() async throws {
        let root = folder.file("root")
        if access(root, F_OK) != 0 { try Directory.create(root, mode: 0o755) }
        await agent.set(
            try RunningProgram(
                try BuiltProgram("muster-agent").path,
                ["serve", "--root", root, "--no-ssh"] + state,
                log: folder.file("agent.log")
            )
        )
    }

    private func stop() async { await agent.end() }

    private static func text(_ path: String) throws -> String {
        String(decoding: try BoundedFile.read(path, limit: 1 << 20), as: UTF8.self)
    }
}

/// The agent that runs just now.
private actor AgentBox {
    private var program: RunningProgram?

    func set(_ program: RunningProgram) { self.program = program }

    func kill() async {
        program?.signal(SIGKILL)
        _ = await program?.exit(within: .seconds(10))
        program = nil
    }

    func end() async {
        await program?.end()
        program = nil
    }
}

extension FleetSimulator {
    /// Commands that append a word to one file, and who may run them.
    ///
    /// `ada` may run `mark` and `linger` anywhere, `ben` on `tag:web` with one approval by a lead, and `marks` with two; `dan`'s
    /// key has expired; `cat` may run `mark` at no time of this week.
    fileprivate mutating func allowHostileRuns(_ folder: String) throws {
        guard case .object(var policy) = policyDocument, case .object(var operators)? = policy["operators"] else {
            throw Failure.impossible
        }
        operators["dan"] = [
            "keys": [
                [
                    "public_key": .string(try Self.operatorKey("dan").ssh.line),
                    "expires": JSONValue(time.adding(seconds: -86400)),
                ]
            ]
        ]
        policy["operators"] = .object(operators)
        policyDocument = .object(policy)
        let script = "echo \"$1\" >> \"$0\""
        for (name, script) in [("mark", script), ("marks", script), ("linger", script + "; sleep 60")] {
            try define(name, Self.marking(script, folder))
        }
        try allow([
            "name": "ada-runs", "allow": ["run"], "who": ["ada", "dan"], "nodes": ["*"], "commands": ["*"],
        ])
        try allow([
            "name": "ben-runs", "allow": ["run"], "who": ["ben"], "nodes": ["tag:web"], "commands": ["mark"],
            "approvals": ["count": 1, "from": ["group:leads"]],
        ])
        try allow([
            "name": "ben-runs-marks", "allow": ["run"], "who": ["ben"], "nodes": ["tag:web"], "commands": ["marks"],
            "approvals": ["count": 2, "from": ["group:leads"]],
        ])
        let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][Int((time.seconds / 86400 + 3 + 3) % 7)]
        try allow([
            "name": "cat-runs", "allow": ["run"], "who": ["cat"], "nodes": ["*"], "commands": ["mark"],
            "windows": [
                [
                    "days": [.string(day)], "from": "08:00", "to": "09:00", "zone": "UTC",
                    "offsets": [["from": "2000-01-01T00:00:00Z", "minutes": 0]],
                ]
            ],
        ])
    }

    static func marking(_ script: String, _ folder: String) -> JSONValue {
        [
            "argv": ["/bin/sh", "-c", .string(script), .string(folder + "/ran"), "{word}"], "user": .string(userName),
            "parameters": ["word": ["type": "text", "pattern": "[a-z]+"]],
        ]
    }

    private static var userName: String {
        guard let entry = getpwuid(getuid()), let name = entry.pointee.pw_name else { return "root" }
        return String(cString: name)
    }
}
