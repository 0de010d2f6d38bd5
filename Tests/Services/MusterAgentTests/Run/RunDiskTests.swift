import AgentTestSupport
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// A disk that is full: a small tmpfs in a mount namespace of the agent's own, or a limit on the size of files.
@Suite(.serialized, .timeLimit(.minutes(60))) struct RunDiskTests {
    /// Lets an agent work whose runs lie on a disk of `size`, after `prepare` ran there.
    private static func work(_ node: RunNode, size: String, prepare: String = "true") async throws {
        let script = """
            mount -t tmpfs -o size=\(size) tmpfs "$1/state/runs" && cd "$1/state/runs" && { \(prepare); } \
            && exec "$2" run "$1"
            """
        let program = try BuiltProgram("muster-agent-crashing").path
        let words = ["--mount", "/bin/sh", "-c", script, "sh", node.folder.path, program]
        let ended = try await Command("/usr/bin/unshare", words).run(timeout: .seconds(180))
        #expect(ended.succeeded, "\(ended.outputText) \(ended.errorText)")
    }

    @Test(
        "a process that fills the disk is not held up, and its outcome says that output is missing",
        .enabled("needs root and mount namespaces") { await NodeFixture.mayMount() }
    )
    func fillsUp() async throws {
        try await withRuns { node in
            let run = try node.asked(
                "head -c 8000000 /dev/zero | tr '\\0' x; echo >> \(node.marks); exit 6",
                output: 16_000_000
            )
            try node.offer(run)
            try await Self.work(node, size: "1m")
            let outcome = try await node.untilEnded(run)
            #expect(outcome.exit == 6)
            #expect(outcome.result?.truncated == true)
            #expect(outcome.result?.note.contains("no space left on device") == true)
            let kept = try #require(outcome.result?.outputBytes)
            #expect(kept > 500_000 && kept < 1 << 20)
            #expect(try node.service.output(run.statement.id).count == Int(kept))
            #expect(try node.executions() == 2)
        }
    }

    @Test(
        "on a disk that is full before the start nothing runs, and the outcome says so",
        .enabled("needs root and mount namespaces") { await NodeFixture.mayMount() }
    )
    func isFull() async throws {
        try await withRuns { node in
            let run = try node.asked("true")
            try node.offer(run)
            // Room for the record of the run, and not for its outcome: the run's id is used up by then.
            try await Self.work(
                node,
                size: "64k",
                prepare: "head -c 65536 /dev/zero > f; truncate -s 53248 f"
            )
            let outcome = try await node.untilEnded(run)
            #expect(outcome.state == .notStarted)
            #expect(outcome.reason.contains("no space left on device"))
            #expect(try node.executions() == 0)
        }
    }
}
