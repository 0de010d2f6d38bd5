import Glibc
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// `kill -9` of the agent at every phase of an upgrade; the dpkg is the real one.
@Suite(.timeLimit(.minutes(10))) struct CrashMatrixTests {
    /// Runs the crashing agent once.
    private static func run(_ node: NodeFixture, until phase: UpgradePhase? = nil) async throws -> CommandResult {
        let program = try BuiltProgram("muster-agent-crashing").path
        let arguments = [node.folder.path] + [phase?.rawValue].compactMap { $0 }
        return try await Command(program, arguments).run(timeout: .seconds(120))
    }

    /// Installs version 1.0 by muster, so that there is something to go back to.
    private static func install(_ node: NodeFixture) async throws {
        let first = try await node.release(TestPackage("probe", "1.0"))
        try node.assign(first, seed: "first")
        #expect(try await node.turn() == nil)
        #expect(try await node.installed() == .installed(version: "1.0"))
    }

    @Test(
        "killed at any phase of an upgrade, the node ends on exactly the new version and reports it",
        arguments: [UpgradePhase.assigned, .downloaded, .verified, .saved, .installing, .confirming, .done]
    )
    func upgrade(phase: UpgradePhase) async throws {
        try await withNode { node in
            try await Self.install(node)
            let second = try await node.release(TestPackage("probe", "2.0"))
            let rollout = try node.assign(second, seed: "second")
            #expect(try await Self.run(node, until: phase).ending == .signalled(SIGKILL))
            let finished = try await Self.run(node)
            #expect(finished.succeeded, "\(finished.outputText) \(finished.errorText)")
            #expect(try await node.installed() == .installed(version: "2.0"))
            #expect(try node.content() == "2.0\n")
            #expect(try node.outcome(rollout)?.state == .confirmed)
            #expect(try node.outcome(rollout)?.version == "2.0")
            #expect(!Directory.exists(node.folder.file("state/journal.json")))
        }
    }

    @Test(
        "killed at any phase of an upgrade that fails its health check, the node ends on exactly the old version",
        arguments: [
            UpgradePhase.assigned, .downloaded, .verified, .saved, .installing, .confirming, .rollingBack, .rolledBack,
        ]
    )
    func failingUpgrade(phase: UpgradePhase) async throws {
        try await withNode { node in
            try await Self.install(node)
            let check = HealthCheck(probe: .command(["false"]), timeoutSeconds: 5, attempts: 1)
            let second = try await node.release(TestPackage("probe", "2.0"), checks: [check])
            let rollout = try node.assign(second, seed: "second")
            #expect(try await Self.run(node, until: phase).ending == .signalled(SIGKILL))
            let finished = try await Self.run(node)
            #expect(finished.succeeded, "\(finished.outputText) \(finished.errorText)")
            #expect(try await node.installed() == .installed(version: "1.0"))
            #expect(try node.content() == "1.0\n")
            let outcome = try #require(try node.outcome(rollout))
            #expect(outcome.state == .rolledBack)
            #expect(outcome.version == "1.0")
            #expect(outcome.reason.contains("fails its health check"))
        }
    }

    @Test(
        "killed at any phase of a first installation that fails, the package is gone again",
        arguments: [
            UpgradePhase.installing, .confirming, .rollingBack, .rolledBack,
        ]
    )
    func failingFirst(phase: UpgradePhase) async throws {
        try await withNode { node in
            let check = HealthCheck(probe: .command(["false"]), timeoutSeconds: 5, attempts: 1)
            let rollout = try node.assign(
                try await node.release(TestPackage("probe", "1.0"), checks: [check]),
                seed: "1"
            )
            #expect(try await Self.run(node, until: phase).ending == .signalled(SIGKILL))
            #expect(try await Self.run(node).succeeded)
            #expect(try await node.installed() == .absent)
            #expect(try node.content() == nil)
            #expect(try node.outcome(rollout)?.state == .rolledBack)
        }
    }

    @Test("killed while dpkg is at work, with dpkg itself killed too, the node ends on one whole version")
    func killedInsideDpkg() async throws {
        try await withNode { node in
            try await Self.install(node)
            var slow = TestPackage("probe", "2.0")
            let mark = node.folder.file("mark")
            slow.scripts = ["postinst": "if [ ! -e \(mark) ]; then echo $PPID > \(mark); exec sleep 60; fi"]
            let rollout = try node.assign(try await node.release(slow), seed: "second")
            let program = try BuiltProgram("muster-agent-crashing").path
            let agent = try RunningProgram(program, [node.folder.path], log: node.folder.file("log"))
            while !Directory.exists(mark) { try await Task.sleep(for: .milliseconds(50)) }
            kill(agent.pid, SIGKILL)
            let text = String(decoding: try BoundedFile.read(mark, limit: 20), as: UTF8.self)
            let dpkg = try #require(pid_t(text.split(separator: "\n").first ?? ""))
            kill(-dpkg, SIGKILL)
            let finished = try await Self.run(node)
            #expect(finished.succeeded, "\(finished.outputText) \(finished.errorText)")
            #expect(try await node.installed() == .installed(version: "2.0"))
            #expect(try node.outcome(rollout)?.state == .confirmed)
        }
    }
}
