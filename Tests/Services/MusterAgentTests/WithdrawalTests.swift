import AgentTestSupport
import Glibc
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// A halt that comes while a node has an assignment and has not begun to install.
@Suite struct WithdrawalTests {
    /// Sends nothing and says nothing, until the agent gives up.
    private struct SilentSource: PackageSource {
        let begun: String

        func read(
            _ target: UpgradeBody.Target,
            from offset: Int64,
            start: (Int64) throws(DownloadError) -> Void,
            receive: ([UInt8]) throws(DownloadError) -> Void
        ) async throws(DownloadError) {
            try? AtomicFile.write([], to: begun)
            try? await Task.sleep(for: .seconds(3600))
            throw DownloadError(.cancelled, "the agent gave up")
        }
    }

    /// As patient as an agent in use.
    private static var patient: UpgradeLimits {
        var limits = UpgradeLimits()
        limits.retry = Backoff.Policy(attempts: 12, first: 3_600_000, longest: 3_600_000)
        limits.manifestWait = 0
        limits.manifestPause = 50
        return limits
    }

    /// Waits, in short steps, until something is so; the test's own time limit is the only one.
    private static func wait(until condition: () async throws -> Bool) async throws {
        while try await !condition() { try await Task.sleep(for: .milliseconds(20)) }
    }

    /// A release whose package file the service does not have.
    private static func withheld(_ node: NodeFixture) async throws -> (path: String, statement: SignedStatement) {
        let path = try await node.release(TestPackage("probe", "1.0"))
        let bytes = try #require(node.fleet.packages[path])
        try AtomicFile.remove(node.folder.file("repository/targets/" + FleetSimulator.hashed(path, bytes)))
        let statement = try node.fleet.statement(.upgrade(try node.fleet.upgrade(to: path)), seed: "a")
        try node.offer([node.fleet.assignment(path, statement)])
        return (path, statement)
    }

    private static func expectUntouched(_ node: NodeFixture, _ rollout: RolloutID) async throws {
        #expect(try await node.installed() == .absent)
        let state = try await node.agent().state
        #expect(await state.journal == nil)
        #expect(await !state.executed.contains(rollout))
        #expect(await state.memory.queue.isEmpty)
        let outcome = try #require(try node.outcome(rollout))
        // Not a failure: a rollout that is resumed hands the assignment out again.
        #expect(outcome.state == .downloading)
        #expect(outcome.reason.contains("taken back"))
    }

    @Test(
        "a halt between two attempts to download: nothing is installed, and a resumed rollout installs",
        .timeLimit(.minutes(60))
    )
    func betweenAttempts() async throws {
        try await withNode { node in
            let (path, statement) = try await Self.withheld(node)
            let rollout = statement.statement.id
            let waiting = try await node.agent(limits: Self.patient)
            async let turn = waiting.agent.turn()
            try await Self.wait { try node.outcome(rollout)?.reason.isEmpty == false }
            try node.offer([])
            #expect(await turn == nil)
            try node.serve()
            #expect(try await node.turn() == nil)
            try await Self.expectUntouched(node, rollout)
            try node.offer([node.fleet.assignment(path, statement)])
            #expect(try await node.turn() == nil)
            #expect(try node.outcome(rollout)?.state == .confirmed)
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }

    @Test("a halt ends a download that hangs", .timeLimit(.minutes(60)))
    func duringDownload() async throws {
        try await withNode { node in
            let rollout = try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "a")
            let mark = node.folder.file("begun")
            let waiting = try await node.agent(limits: Self.patient, source: SilentSource(begun: mark))
            async let turn = waiting.agent.turn()
            try await Self.wait { Directory.exists(mark) }
            try node.offer([])
            #expect(await turn == nil)
            try await Self.expectUntouched(node, rollout)
        }
    }

    @Test("a manifest that still carries the assignment does not disturb it", .timeLimit(.minutes(60)))
    func stillCarried() async throws {
        try await withNode { node in
            let (path, statement) = try await Self.withheld(node)
            var limits = Self.patient
            limits.retry = Backoff.Policy(attempts: 10_000, first: 50, longest: 50)
            let waiting = try await node.agent(limits: limits)
            async let turn = waiting.agent.turn()
            try await Self.wait { try node.outcome(statement.statement.id)?.reason.isEmpty == false }
            try node.offer([node.fleet.assignment(path, statement)])
            try await Self.wait { await waiting.state.memory.sequence == 2 }
            try node.serve()
            #expect(await turn == nil)
            #expect(try node.outcome(statement.statement.id)?.state == .confirmed)
        }
    }

    @Test(
        "killed around a halt, the node still installs nothing, and obeys the same statement when it comes again",
        .timeLimit(.minutes(60)),
        arguments: [UpgradePhase.assigned, .downloaded, .verified, .saved]
    )
    func killed(phase: UpgradePhase) async throws {
        try await withNode { node in
            func run(until phase: UpgradePhase?) async throws -> CommandResult {
                let program = try BuiltProgram("muster-agent-crashing").path
                let arguments = [node.folder.path] + [phase?.rawValue].compactMap { $0 }
                return try await Command(program, arguments).run(timeout: .seconds(240))
            }
            let path = try await node.release(TestPackage("probe", "1.0"))
            let statement = try node.fleet.statement(.upgrade(try node.fleet.upgrade(to: path)), seed: "a")
            try node.offer([node.fleet.assignment(path, statement)])
            #expect(try await run(until: phase).ending == .signalled(SIGKILL))
            try node.offer([])
            #expect(try await run(until: .withdrawn).ending == .signalled(SIGKILL))
            #expect(try await run(until: nil).succeeded)
            try await Self.expectUntouched(node, statement.statement.id)
            try node.offer([node.fleet.assignment(path, statement)])
            #expect(try await run(until: nil).succeeded)
            #expect(try await node.installed() == .installed(version: "1.0"))
        }
    }
}
