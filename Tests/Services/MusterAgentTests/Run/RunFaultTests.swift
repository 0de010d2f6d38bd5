import AgentTestSupport
import ByteCoding
import Glibc
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

/// Everything that may go wrong around a run: exactly one execution or none, and always an outcome that says which.
@Suite(.serialized, .timeLimit(.minutes(60))) struct RunFaultTests {
    /// Runs an agent that ends itself by SIGKILL at a step.
    private static func crash(_ node: RunNode, at step: RunStep) async throws {
        let program = try BuiltProgram("muster-agent-crashing").path
        let result = try await Command(program, ["run", node.folder.path, step.rawValue]).run(timeout: .seconds(180))
        #expect(result.ending == .signalled(SIGKILL), "\(result.outputText) \(result.errorText)")
    }

    @Test(
        "killed at any step, the agent never runs a run twice, and says what came of it",
        arguments: RunStep.allCases
    )
    func killed(step: RunStep) async throws {
        try await withRuns { node in
            let run = try node.asked("echo hello; sleep 0.3; exit 4")
            try node.offer(run)
            try await Self.crash(node, at: step)
            // The service says it once more, and a thief of the service as often as it likes.
            try node.offer(run)
            #expect(try await node.work() == nil)
            let outcome = try await node.untilEnded(run)
            switch step {
            case .used, .starting:
                #expect(outcome.state == .notStarted)
                #expect(outcome.reason == "the agent or the node was stopped before it started; nothing ran")
                #expect(try node.executions() == 0)
            case .accepted, .launched, .ended, .delivered:
                #expect(outcome.state == .ended, "\(outcome.reason)")
                #expect(outcome.exit == 4)
                #expect(try node.executions() == 1)
                #expect(try node.output(run) == "hello\n")
            }
            try node.offer(run)
            #expect(try await node.work() == nil)
            #expect(try node.executions() == (outcome.state == .ended ? 1 : 0))
        }
    }

    @Test("killed while the process runs, the agent takes it up again and delivers all of its output")
    func killedDuring() async throws {
        try await withRuns { node in
            let go = node.folder.file("go")
            let run = try node.asked("echo first; while [ ! -e \(go) ]; do sleep 0.05; done; echo second; exit 5")
            try node.offer(run)
            let program = try BuiltProgram("muster-agent-crashing").path
            let agent = try RunningProgram(program, ["run", node.folder.path], log: node.folder.file("log"))
            try await node.until("the first output has reached the service") { try node.output(run) == "first\n" }
            agent.signal(SIGKILL)
            _ = await agent.exit(within: .seconds(60))
            try AtomicFile.write([], to: go)
            #expect(try await node.work() == nil)
            let outcome = try await node.untilEnded(run)
            #expect(outcome.exit == 5)
            #expect(try node.output(run) == "first\nsecond\n")
            #expect(try node.executions() == 1)
        }
    }

    @Test("the supervisor killed: the process ends with it, and the outcome says that it is lost")
    func supervisorKilled() async throws {
        try await withRuns { node in
            let alive = node.folder.file("alive")
            let run = try node.asked("(while :; do date +%N > \(alive); sleep 0.05; done) & echo here; sleep 1000")
            try node.offer(run)
            try await node.whileServing { _ in
                try await node.until("the process writes") {
                    try Directory.exists(alive) && node.output(run) == "here\n"
                }
                let start = try #require(try node.files(run).start())
                kill(start.supervisor, SIGKILL)
                let outcome = try await node.untilEnded(run)
                #expect(outcome.state == .lost)
                #expect(outcome.reason.hasPrefix("its supervisor was lost"))
                node.expectDead(alive, run)
            }
            #expect(try node.executions() == 1)
        }
    }

    @Test("the supervisor told to end, as when the node shuts down, ends the process and says so")
    func supervisorTold() async throws {
        try await withRuns { node in
            let run = try node.asked("echo here; sleep 1000")
            try node.offer(run)
            try await node.whileServing { _ in
                try await node.until("the process writes") { try node.output(run) == "here\n" }
                kill(try #require(try node.files(run).start()).supervisor, SIGTERM)
                let outcome = try await node.untilEnded(run)
                #expect(outcome.result?.ending == .signalled(SIGTERM))
                #expect(outcome.result?.note.contains("told to end by signal 15") == true)
            }
        }
    }

    @Test("the service gone in the middle of the output: the process goes on, and nothing of it is missing or double")
    func serviceGone() async throws {
        try await withRuns { node in
            let go = node.folder.file("go")
            let run = try node.asked(
                "seq 1 2000; while [ ! -e \(go) ]; do sleep 0.05; done; seq 2001 60000; echo >> \(node.marks)",
                output: 1 << 20
            )
            try node.offer(run)
            try await node.whileServing { _ in
                try await node.until("some output has come") { try node.output(run).hasSuffix("2000\n") }
                try node.service.closeForReports()
                try AtomicFile.write([], to: go)
                try await node.until("the process has ended") { Directory.exists(node.files(run).result) }
                #expect(try node.service.lastUpdate(run.statement.id)?.state == .started)
                // Back, with a part of what it had lost.
                try node.service.setBack(run.statement.id, to: 1000)
                try node.service.open()
                let outcome = try await node.untilEnded(run)
                #expect(outcome.exit == 0)
            }
            #expect(try node.output(run) == (1...60000).map { "\($0)\n" }.joined())
            #expect(try node.executions() == 2)
        }
    }

    @Test("a result waits on the node until the service is back, through restarts of the agent")
    func resultWaits() async throws {
        try await withRuns { node in
            let run = try node.asked("echo kept")
            try node.offer(run)
            try node.service.closeForReports()
            for _ in 0..<3 { #expect(try await node.work()?.contains("it is closed") == true) }
            #expect(try node.executions() == 1)
            try node.service.open()
            #expect(try await node.work() == nil)
            #expect(try await node.untilEnded(run).exit == 0)
            #expect(try node.output(run) == "kept\n")
            #expect(try node.executions() == 1)
        }
    }

    @Test("a run that is cancelled while it waits never starts, and never will")
    func cancelledWaiting() async throws {
        try await withRuns { node in
            let run = try node.asked("true", notBefore: node.node.fleet.time.adding(seconds: 600))
            try node.offer(run)
            #expect(try await node.work() == nil)
            try node.offer(run, cancelled: [run.statement.id])
            #expect(try await node.work() == nil)
            let outcome = try await node.untilEnded(run)
            #expect(outcome.state == .cancelled)
            try node.offer(run)
            #expect(try await node.work(clock: .ahead(by: 700)) == nil)
            #expect(try node.executions() == 0)
        }
    }

    @Test("a run that is cancelled while it goes on is ended at once, by a manifest that comes meanwhile")
    func cancelledRunning() async throws {
        try await withRuns { node in
            let run = try node.asked("echo here; sleep 1000")
            try node.offer(run)
            try await node.whileServing { _ in
                try await node.until("the process writes") { try node.output(run) == "here\n" }
                try node.offer(cancelled: [run.statement.id])
                let outcome = try await node.untilEnded(run)
                #expect(outcome.result?.cancelled == true)
                #expect(outcome.result?.ending == .signalled(SIGTERM))
                #expect((outcome.result?.milliseconds ?? .max) < 240_000)
            }
        }
    }

    @Test("the answer to an update can cancel a run, for a service whose manifest does not come through")
    func cancelledByAnswer() async throws {
        try await withRuns { node in
            let run = try node.asked("while :; do echo here; sleep 0.1; done")
            try node.offer(run)
            try await node.whileServing { _ in
                try await node.until("the process writes") { try node.output(run).hasPrefix("here\n") }
                try node.service.askToCancel(run.statement.id)
                #expect(try await node.untilEnded(run).result?.cancelled == true)
            }
        }
    }

    @Test("a manifest that lists a run no more drops it where it waits, and lets it go on where it runs")
    func dropped() async throws {
        try await withRuns { node in
            let waiting = try node.asked("true", notBefore: node.node.fleet.time.adding(seconds: 600))
            let go = node.folder.file("go")
            let running = try node.asked("echo here; while [ ! -e \(go) ]; do sleep 0.05; done; echo end")
            try node.offer(waiting, running)
            try await node.whileServing { agent in
                try await node.until("the process writes") { try node.output(running) == "here\n" }
                try node.offer()
                try await node.until("the run is dropped") { !Directory.exists(node.files(waiting).path) }
                try AtomicFile.write([], to: go)
                #expect(try await node.untilEnded(running).exit == 0)
            }
            #expect(try node.output(running) == "here\nend\n")
        }
    }

    @Test("a replayed manifest starts nothing, whatever of the node's files was put back to an older state")
    func replayed() async throws {
        try await withRuns { node in
            let run = try node.asked("echo once")
            try node.offer(run)
            let before = try node.snapshot()
            #expect(try await node.work() == nil)
            #expect(try node.executions() == 1)
            // One after the other: ids that were used, the memory of manifests, the runs themselves.
            for lost in [["runs"], ["memory.json"], ["executed.json"], ["executed.json", "memory.json"]] {
                try node.restore(lost, from: before)
                try node.offer(run)
                _ = try await node.work()
                #expect(try node.executions() == 1, "restored: \(lost)")
                #expect(try node.service.lastUpdate(run.statement.id)?.state.isFinal == true)
            }
            #expect(try node.service.lastUpdate(run.statement.id)?.state == .lost)
        }
    }

    @Test("a run waits for its time, through restarts and without any further manifest")
    func scheduled() async throws {
        try await withRuns { node in
            let run = try node.asked("true", notBefore: node.node.fleet.time.adding(seconds: 600))
            try node.offer(run)
            #expect(try await node.work() == nil)
            #expect(try await node.work() == nil)
            #expect(try node.executions() == 0)
            #expect(try await node.work(clock: .ahead(by: 601)) == nil)
            #expect(try await node.untilEnded(run).exit == 0)
            #expect(try node.executions() == 1)
        }
    }

    @Test("a clock that jumps past a run's end lets it expire, and set back it does not come to life again")
    func clockJumps() async throws {
        try await withRuns { node in
            let waiting = try node.asked(
                "true",
                notBefore: node.node.fleet.time.adding(seconds: 600),
                lifetime: 3600
            )
            let done = try node.asked("true", lifetime: 3600)
            try node.offer(waiting, done)
            #expect(try await node.work() == nil)
            #expect(try node.executions() == 1)
            #expect(try await node.work(clock: .ahead(by: 4000)) == nil)
            let outcome = try await node.untilEnded(waiting)
            #expect(outcome.state == .expired)
            #expect(outcome.reason.hasSuffix("before it could start; nothing ran"))
            try node.offer(waiting, done)
            #expect(try await node.work() == nil)
            #expect(try await node.work(clock: .ahead(by: 700)) == nil)
            #expect(try await node.work(clock: .ahead(by: -7200)) == nil)
            #expect(try node.executions() == 1)
        }
    }

    @Test("a clock set back while a process runs changes nothing about its time")
    func clockSetBack() async throws {
        try await withRuns { node in
            let run = try node.asked("sleep 100", timeout: 1)
            try node.offer(run)
            #expect(try await node.work(clock: .ahead(by: -120)) == nil)
            let result = try #require(try await node.untilEnded(run).result)
            #expect(result.timedOut)
            #expect((900...90_000).contains(result.milliseconds))
        }
    }

    @Test("at most four processes at once, the others in the order in which they were asked for")
    func fourAtOnce() async throws {
        try await withRuns { node in
            let go = node.folder.file("go")
            let runs = try (0..<6).map { _ in
                try node.asked("while [ ! -e \(go) ]; do sleep 0.05; done")
            }
            try node.node.offer(runs: runs)
            try await node.whileServing { _ in
                try await node.until("four run") { try node.executions() == 4 }
                for run in runs.prefix(4) { #expect(Directory.exists(node.files(run).started)) }
                for run in runs.suffix(2) { #expect(!Directory.exists(node.files(run).started)) }
                try AtomicFile.write([], to: go)
                for run in runs { #expect(try await node.untilEnded(run).exit == 0) }
            }
            #expect(try node.executions() == 6)
        }
    }

    @Test("neither does a run wait for an upgrade, nor the other way round, and both can be told to end meanwhile")
    func besideUpgrades() async throws {
        try await withRuns { node in
            let go = node.folder.file("go")
            var slow = TestPackage("probe", "1.0")
            slow.scripts = ["postinst": "while [ ! -e \(go) ]; do sleep 0.05; done"]
            let path = try await node.node.release(slow)
            let rollout = try node.node.assign(path, seed: "slow")
            try await node.whileServing { _ in
                // Whatever happens, the package manager must come to its end.
                defer { try? AtomicFile.write([], to: go) }
                try await node.until("dpkg is at work") {
                    try node.node.outcome(rollout)?.state == .installing
                }
                let run = try node.asked("echo beside; sleep 1000")
                try node.offer(run)
                try await node.until("the process writes") { try node.output(run) == "beside\n" }
                try node.offer(cancelled: [run.statement.id])
                #expect(try await node.untilEnded(run).result?.cancelled == true)
                #expect(try node.node.outcome(rollout)?.state == .installing)
                try AtomicFile.write([], to: go)
                try await node.until("the upgrade is confirmed") {
                    try node.node.outcome(rollout)?.state == .confirmed
                }
            }
        }
    }

    @Test("a run whose statement nobody allowed is refused with the reason, and nothing is used up")
    func refused() async throws {
        try await withRuns { node in
            let run = try node.asked("true", by: ["cat"])
            let outcome = try await node.outcome(run)
            #expect(outcome.state == .refused)
            #expect(outcome.reason.hasPrefix("not-allowed: "))
            #expect(try node.executions() == 0)
            #expect(!Directory.exists(node.paths.executed))
        }
    }
}
