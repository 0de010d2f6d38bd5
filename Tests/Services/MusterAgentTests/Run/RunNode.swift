import AgentTestSupport
import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterAgent
import MusterKeys
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// A node that carries out shell scripts as approved commands; what they do is seen in its folder.
final class RunNode {
    let node: NodeFixture
    /// The node's key, to which secrets are sealed.
    let key = Ed25519SecretKey.generate()
    private var count = 0

    init(_ node: NodeFixture) throws {
        self.node = node
        try node.fleet.allowRuns()
        try publish()
    }

    var folder: TemporaryFolder { node.folder }
    var service: FolderService { TestAgent.service(folder.path) }
    var paths: AgentPaths { TestAgent.paths(folder.path) }

    /// The file to which every execution adds a line.
    var marks: String { folder.file("marks") }

    /// How often the script of `asked` ran.
    func executions() throws -> Int {
        try BoundedFile.readIfPresent(marks, limit: 1 << 20)?.count { $0 == UInt8(ascii: "\n") } ?? 0
    }

    /// A statement that asks for a script to be run as `user`; the script's first act is to leave its mark.
    func asked(
        _ script: String,
        user: String? = nil,
        timeout: Int64 = 300,
        output: Int64 = 1 << 20,
        extra: [String: JSONValue] = [:],
        sealed: [String: String] = [:],
        notBefore: UTCTime? = nil,
        lifetime: Int64 = 3600,
        by signers: [String] = ["ada"]
    ) throws -> SignedStatement {
        count += 1
        let command = "script-\(count)"
        let file = try folder.write(command, Array("echo mark >> \(marks)\n\(script)\n".utf8))
        var definition: JSONObject = [
            "argv": ["/bin/sh", .string(file)], "user": .string(user ?? Self.me),
            "timeout_seconds": .integer(timeout), "output_bytes": .integer(output),
        ]
        for (name, value) in extra { definition[name] = value }
        try node.fleet.define(command, .object(definition))
        try publish()
        let seed = "\(folder.path) \(count)"
        // The id must be known before a secret is sealed for it.
        let id = try node.fleet.statement(
            .run(try node.fleet.run(command, on: [TestAgent.node])),
            seed: seed
        ).statement.id
        var values: [String: [NodeID: [UInt8]]] = [:]
        for (name, text) in sealed {
            let purpose = SealedSecret.Purpose(
                fleet: node.fleet.fleet.text,
                statement: id.text,
                requester: signers.first ?? "",
                node: TestAgent.node.text,
                parameter: name
            )
            var bytes = Array(text.utf8)
            let secret = SecretBytes(wiping: &bytes)
            values[name] = [
                TestAgent.node: try #require(SealedSecret.seal(secret, to: key.publicKey, for: purpose))
            ]
        }
        let body = try node.fleet.run(command, on: [TestAgent.node], sealed: values, notBefore: notBefore)
        return try node.fleet.statement(.run(body), by: signers, seed: seed, lifetime: lifetime)
    }

    /// Lets the service hand these runs out.
    func offer(_ runs: SignedStatement..., cancelled: [RunID] = []) throws {
        try node.offer(runs: runs, cancelled: cancelled)
    }

    /// The node's agent, started anew.
    func agent(
        clock: AgentClock = .system,
        wait: Int = 0,
        limits: (inout RunLimits) -> Void = { _ in },
        runObserver: @escaping RunObserver = { _ in }
    ) async throws -> TestAgent {
        try await TestAgent(
            folder.path,
            transport: node.transport,
            wait: wait,
            clock: clock,
            supervisor: try BuiltProgram("muster-agent-crashing").path,
            key: key,
            runObserver: runObserver,
            changeRunLimits: limits
        )
    }

    /// Takes the manifest in and does everything that there is to do; an answer says why something is left.
    @discardableResult
    func work(
        clock: AgentClock = .system,
        limits: (inout RunLimits) -> Void = { _ in }
    ) async throws -> String? {
        let agent = try await agent(clock: clock, limits: limits)
        let reason = await agent.agent.turn()
        let undelivered = await agent.runs.once()
        return reason ?? undelivered
    }

    /// Carries a script out and returns what the service was told at last.
    func outcome(_ run: SignedStatement) async throws -> RunUpdate {
        try offer(run)
        #expect(try await work() == nil)
        return try #require(try service.lastUpdate(run.statement.id))
    }

    /// Lets an agent work in the background while `body` looks at it.
    func whileServing(
        clock: AgentClock = .system,
        _ body: (TestAgent) async throws -> Void
    ) async throws {
        let agent = try await agent(clock: clock, wait: 2)
        let serving = Task { await agent.agent.run() }
        do {
            try await body(agent)
        } catch {
            serving.cancel()
            await serving.value
            throw error
        }
        serving.cancel()
        await serving.value
    }

    /// Waits until `condition` holds.
    func until(
        _ what: String,
        within seconds: Int = 90,
        _ condition: () throws -> Bool
    ) async throws {
        let deadline = MonotonicClock.milliseconds() + Int64(seconds) * 1000
        while MonotonicClock.milliseconds() < deadline {
            if try condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw RunningProgram.Failure("waited \(seconds) seconds in vain until \(what)")
    }

    /// Waits until the service knows how a run ended.
    @discardableResult
    func untilEnded(_ run: SignedStatement) async throws -> RunUpdate {
        try await until("run \(run.statement.id) has ended") {
            try service.lastUpdate(run.statement.id)?.state.isFinal == true
        }
        return try #require(try service.lastUpdate(run.statement.id))
    }

    /// What the run wrote, as the service has it.
    func output(_ run: SignedStatement) throws -> String {
        String(decoding: try service.output(run.statement.id), as: UTF8.self)
    }

    /// The files of a run on the node.
    func files(_ run: SignedStatement) -> RunFolder { RunShelf(paths).folder(run.statement.id) }

    /// The account that the tests run as.
    static var me: String {
        guard let entry = getpwuid(geteuid()) else { return "root" }
        return String(cString: entry.pointee.pw_name)
    }

    private func publish() throws {
        node.fleet.policyVersion += 1
        node.fleet.snapshotVersion += 1
        node.fleet.timestampVersion += 1
        try node.fleet.publish()
        try node.serve()
    }
}

/// Runs a test with a node that carries out scripts.
func withRuns(_ body: (RunNode) async throws -> Void) async throws {
    try await withNode { try await body(try RunNode($0)) }
}

extension RunUpdate {
    /// The exit status; nil where there is none.
    var exit: Int32? {
        if case .exited(let status) = result?.ending { status } else { nil }
    }
}
