import AgentTestSupport
import Glibc
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// Whatever befalls a node at whatever phase of an upgrade, it ends on one whole version, says which, and needs nobody's hands;
/// agent and dpkg are the real ones, processes of their own.
@Suite(.serialized, .timeLimit(.minutes(60))) struct CrashMatrixTests {
    /// Cases at a time.
    private static let width = 3

    private struct Row: Sendable {
        let name: String
        let phase: UpgradePhase
        /// Whether the new version fails its health check.
        let fails: Bool

        init(_ phase: UpgradePhase, fails: Bool = false) {
            self.phase = phase
            self.fails = fails
            name = phase.rawValue + (fails ? " (bad)" : "")
        }
    }

    private static let rows =
        [UpgradePhase.assigned, .downloaded, .verified, .saved, .installing, .confirming, .done].map { Row($0) }
        + [UpgradePhase.installing, .confirming, .rollingBack, .rolledBack].map { Row($0, fails: true) }

    @Test(
        "every phase of an upgrade meets every fault: the node ends on one whole version, reports it, and needs no hands"
    )
    func matrix() async throws {
        let good = try await CrashedNode.template(fails: false)
        let bad = try await CrashedNode.template(fails: true)
        var faults = Fault.allCases
        if !(await NodeFixture.mayMount()) {
            faults.removeAll { $0 == .disk }
            print("crash matrix: without '\(Fault.disk.rawValue)', which needs root and mount namespaces")
        }
        var cases = Self.rows.flatMap { row in faults.map { (row, $0) } }[...]
        var cells: [String: [Fault: CrashedNode.End]] = [:]
        try await withThrowingTaskGroup(of: (Row, Fault, CrashedNode.End).self) { group in
            func next() {
                guard let (row, fault) = cases.popFirst() else { return }
                group.addTask {
                    let node = try await CrashedNode(copyOf: row.fails ? bad : good)
                    return (row, fault, try await node.meet(fault, at: row.phase))
                }
            }
            for _ in 0..<Self.width { next() }
            for try await (row, fault, end) in group {
                cells[row.name, default: [:]][fault] = end
                next()
            }
        }
        Self.show(cells, faults)
        for row in Self.rows {
            for fault in faults {
                let end = try #require(cells[row.name]?[fault])
                #expect(end.trouble.isEmpty, "\(row.name) x \(fault.rawValue): \(end.trouble)")
                let isNew = end.version == "2.0"
                #expect(isNew || end.version == "1.0", "\(row.name) x \(fault.rawValue)")
                #expect(isNew == (end.outcome == .confirmed), "\(row.name) x \(fault.rawValue): \(end.outcome)")
                if row.fails { #expect(!isNew, "a bad version stays: \(row.name) x \(fault.rawValue)") }
                if fault == .kill { #expect(isNew == !row.fails, "\(row.name): a kill alone changes no ending") }
            }
        }
    }

    private static func show(_ cells: [String: [Fault: CrashedNode.End]], _ faults: [Fault]) {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        var lines = [padded("phase", 19) + faults.map { padded($0.rawValue, 16) }.joined()]
        for row in rows {
            let texts = faults.map { fault in
                cells[row.name]?[fault].map { "\($0.version) \($0.outcome.rawValue)" } ?? "-"
            }
            lines.append(padded(row.name, 19) + texts.map { padded($0, 16) }.joined())
        }
        let ends = cells.values.flatMap(\.values)
        lines.append("whole and reported: \(ends.count { $0.trouble.isEmpty }) of \(ends.count)")
        print("crash matrix: version and outcome at the end\n" + lines.joined(separator: "\n"))
    }

    @Test(
        "killed at any phase of a first installation that fails, the package is gone again",
        arguments: [UpgradePhase.installing, .confirming, .rollingBack, .rolledBack]
    )
    func failingFirst(phase: UpgradePhase) async throws {
        try await withNode { node in
            let check = HealthCheck(probe: .command(["false"]), timeoutSeconds: 5, attempts: 1)
            let rollout = try node.assign(
                try await node.release(TestPackage("probe", "1.0"), checks: [check]),
                seed: "1"
            )
            #expect(try await CrashedNode.run(node.folder.path, [phase.rawValue]).ending == .signalled(SIGKILL))
            #expect(try await CrashedNode.run(node.folder.path).succeeded)
            #expect(try await node.installed() == .absent)
            #expect(try node.content() == nil)
            #expect(try node.outcome(rollout)?.state == .rolledBack)
        }
    }

    @Test(
        "the power goes, and the network does not come back with it: the previous version is back all the same, in its time",
        arguments: [UpgradePhase.installing, .confirming, .rollingBack]
    )
    func offline(phase: UpgradePhase) async throws {
        let node = try await CrashedNode(copyOf: try await CrashedNode.template(fails: phase == .rollingBack))
        #expect(try await CrashedNode.run(node.folder.path, [phase.rawValue]).ending == .signalled(SIGKILL))
        try TestAgent.service(node.folder.path).vanish()
        try AtomicFile.write([], to: TestAgent.outage(node.folder.path))
        let began = MonotonicClock.milliseconds()
        let alone = try await CrashedNode.run(node.folder.path)
        let took = MonotonicClock.milliseconds() - began
        #expect(alone.outputText.contains("the service is gone"))
        let installed = try await DpkgInstaller(root: TestAgent.root(node.folder.path)).state(of: "probe")
        #expect(installed == .installed(version: "1.0"))
        #expect(!Directory.exists(node.folder.file("state/journal.json")))
        // Two seconds to reach the service, as the agent of the tests has them; the rest is this machine's slowness.
        #expect(took < 240_000)
        try Fault.end(node.folder.path)
        #expect(try await CrashedNode.run(node.folder.path).succeeded)
        let end = try await node.end()
        #expect(end.trouble.isEmpty, "\(end.trouble)")
        #expect(end.version == "1.0")
        #expect(end.outcome == .rolledBack)
    }

    @Test("a version that stops the agent each time before it has proved itself is put back the third time")
    func neverProves() async throws {
        let node = try await CrashedNode(copyOf: try await CrashedNode.template(fails: false))
        #expect(try await CrashedNode.run(node.folder.path, ["confirming"]).ending == .signalled(SIGKILL))
        for _ in 0..<2 {
            // The phase is on the disk already: the agent meets it again as soon as it has begun to prove the version.
            #expect(try await CrashedNode.run(node.folder.path, ["confirming"]).ending == .signalled(SIGKILL))
        }
        #expect(try await CrashedNode.run(node.folder.path).succeeded)
        let end = try await node.end()
        #expect(end.version == "1.0")
        #expect(end.outcome == .rolledBack)
        #expect(end.reason.hasPrefix("the agent or the machine stopped 3 times before"))
    }

    @Test("killed while dpkg is at work, with dpkg itself killed too, the node ends on one whole version")
    func killedInsideDpkg() async throws {
        try await withNode { node in
            try node.assign(try await node.release(TestPackage("probe", "1.0")), seed: "first")
            #expect(try await node.turn() == nil)
            var slow = TestPackage("probe", "2.0")
            let mark = node.folder.file("mark")
            slow.scripts = ["postinst": "if [ ! -e \(mark) ]; then echo $PPID > \(mark); exec sleep 60; fi"]
            let rollout = try node.assign(try await node.release(slow), seed: "second")
            let program = try BuiltProgram("muster-agent-crashing").path
            let agent = try RunningProgram(program, [node.folder.path], log: node.folder.file("log"))
            let deadline = MonotonicClock.milliseconds() + 120_000
            while try BoundedFile.readIfPresent(mark, limit: 20)?.isEmpty ?? true {
                try #require(MonotonicClock.milliseconds() < deadline, "dpkg never came to its script")
                try await Task.sleep(for: .milliseconds(20))
            }
            kill(agent.pid, SIGKILL)
            let text = String(decoding: try BoundedFile.read(mark, limit: 20), as: UTF8.self)
            let dpkg = try #require(pid_t(text.split(separator: "\n").first ?? ""))
            kill(-dpkg, SIGKILL)
            let finished = try await CrashedNode.run(node.folder.path)
            #expect(finished.succeeded, "\(finished.outputText) \(finished.errorText)")
            #expect(try await node.installed() == .installed(version: "2.0"))
            #expect(try node.outcome(rollout)?.state == .confirmed)
        }
    }
}
