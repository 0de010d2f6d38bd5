import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// The agent upgrades itself: real musterd, muster and dpkg, and the real agent out of its own package.
@Suite(
    "The agent upgrades itself",
    .serialized,
    .enabled(if: geteuid() == 0, "machines of their own need namespaces, which are root's to make"),
    .timeLimit(.minutes(60))
)
struct SelfUpgradeTests {
    // MARK: A good version

    @Test("a good version is installed, restarted, proves itself and stays; a run in progress ends once, and well")
    func goodVersion() async throws {
        try await UpgradingFleet.run { fleet in
            let machine = try await fleet.machine("web-1")
            let before = try await machine.agent()
            let file = fleet.fixture.folder.file("go-on")
            let run = try await fleet.beginRun(on: machine, waitingFor: file)
            let rollout = try await fleet.start(fleet.packages.good("2.0"), "2.0", on: machine)
            try await fleet.fixture.wait(for: rollout, within: 300) { $0["state"] == "complete" }
            #expect(try await machine.installed == "2.0")
            #expect(try await machine.agent() != before)
            try await machine.wait(for: "the end of the watcher") { machine.watcher == nil }
            #expect(!Directory.exists(machine.state + "/watcher/plan.json"))
            #expect(!Directory.exists(machine.state + "/watcher/muster-agent"))
            try AtomicFile.write([], to: file)
            try await fleet.waitForRun(run) { $0["state"] == "succeeded" }
            #expect(try await fleet.fixture.muster(["run", "show", run]).contains("went on"))
            // And once more from there: nothing that the first upgrade left behind is in the way.
            let next = try await fleet.start(fleet.packages.good("3.0"), "3.0", on: machine)
            try await fleet.fixture.wait(for: next, within: 300) { $0["state"] == "complete" }
            #expect(try await machine.installed == "3.0")
        }
    }

    @Test("an SSH session stays open and echoes while the agent upgrades itself")
    func openSession() async throws {
        try await UpgradingFleet.run { fleet in
            let machine = try await fleet.machine("web-1")
            let session = try await EchoingSession(fleet.fixture.folder.file("sshd"))
            let rollout = try await fleet.start(fleet.packages.good("2.0"), "2.0", on: machine)
            let isOver = Flag()
            async let echoes = session.echo { isOver.isSet }
            do {
                try await fleet.fixture.wait(for: rollout, within: 300) { $0["state"] == "complete" }
                isOver.set()
            } catch {
                isOver.set()
                throw error
            }
            let (count, worst) = try await echoes
            await session.end()
            #expect(count > 0)
            #expect(try await machine.installed == "2.0")
            print("SelfUpgradeTests: \(count) lines echoed during the agent's upgrade, the slowest after \(worst)")
        }
    }

    // MARK: Broken versions

    @Test("whatever is wrong with a version, the one before is back and at work by itself")
    func brokenVersions() async throws {
        try await UpgradingFleet.run { fleet in
            try await withThrowingTaskGroup(of: String.self) { group in
                for (index, fault) in AgentPackages.Fault.allCases.enumerated() {
                    // On a slow machine, too, one says no before its time is over, and one dies before it is believed.
                    let machine = try await fleet.machine(
                        "web-\(index)",
                        watchSeconds: fault == .reachesNothing ? 240 : 30,
                        steadySeconds: fault == .diesAfterItsFirstReport ? 20 : 1
                    )
                    let version = "2.\(index)"
                    let package = try await fleet.packages.bad(fault, version)
                    let rollout = try await fleet.start(package, version, on: machine)
                    group.addTask {
                        let node = try await fleet.end(of: rollout)
                        #expect(node["state"] == .string(fault.state), "\(fault): \(node.prettyText)")
                        #expect(Self.text(node["reason"]).contains(fault.reason), "\(fault): \(node.prettyText)")
                        #expect(try await machine.installed == "1.0", "\(fault)")
                        // The agent that speaks is the one before, and nothing of the attempt is left.
                        _ = try await machine.agent()
                        try await machine.wait(for: "the end of the watcher") { machine.watcher == nil }
                        #expect(!Directory.exists(machine.state + "/watcher/plan.json"), "\(fault)")
                        return "\(fault): \(Self.text(node["state"])), \(Self.text(node["reason"]))"
                    }
                }
                for try await line in group { print("SelfUpgradeTests: \(line)") }
            }
        }
    }

    @Test("with the service gone the new version goes, and the service hears of it when it is back")
    func serviceGone() async throws {
        try await UpgradingFleet.run { fleet in
            let machine = try await fleet.machine("web-1")
            let gate = fleet.fixture.folder.file("gate")
            let slow = "while [ ! -e \(gate) ]; do sleep 0.1; done"
            let rollout = try await fleet.start(fleet.packages.good("2.0", postinst: slow), "2.0", on: machine)
            try await machine.wait(for: "a watcher at work") { machine.phase == "installing" }
            try await fleet.fixture.restartService {
                try AtomicFile.write([], to: gate)
                try await machine.wait(for: "the way back", within: 300) {
                    try await machine.installed == "1.0" && machine.phase == nil
                }
            }
            let node = try await fleet.end(of: rollout)
            #expect(node["state"] == "rolled-back", "\(node.prettyText)")
            #expect(Self.text(node["reason"]).contains("the service was not reached within"), "\(node.prettyText)")
        }
    }

    // MARK: Killed

    @Test("killed with -9, first the agent and then the watcher, while the package manager is at work: it ends well")
    func killedWhileInstalling() async throws {
        try await UpgradingFleet.run { fleet in
            let machine = try await fleet.machine("web-1")
            let rollout = try await fleet.startSlow(on: machine, seconds: 20)
            for agent in machine.agents { kill(agent, SIGKILL) }
            let first = try #require(machine.watcher)
            kill(first, SIGKILL)
            try await machine.wait(for: "another watcher") { machine.watcher.map { $0 != first } ?? false }
            try await fleet.fixture.wait(for: rollout, within: 300) { $0["state"] == "complete" }
            #expect(try await machine.installed == "2.0")
        }
    }

    @Test("a watcher that is killed while a version that reaches nothing has its time is replaced, and puts it back")
    func killedWhileWaiting() async throws {
        try await UpgradingFleet.run { fleet in
            let machine = try await fleet.machine("web-1", watchSeconds: 60)
            let package = try await fleet.packages.bad(.reachesNothing, "2.0")
            let rollout = try await fleet.start(package, "2.0", on: machine)
            try await machine.wait(for: "the new version's time") { machine.phase == "waiting" }
            let first = try #require(machine.watcher)
            kill(first, SIGKILL)
            try await machine.wait(for: "another watcher") { machine.watcher.map { $0 != first } ?? false }
            #expect(try await fleet.end(of: rollout)["state"] == "rolled-back")
            #expect(try await machine.installed == "1.0")
        }
    }

    @Test("a power cut while the package manager is at work: the next boot ends the upgrade")
    func powerCutWhileInstalling() async throws {
        try await UpgradingFleet.run { fleet in
            let machine = try await fleet.machine("web-1")
            let rollout = try await fleet.startSlow(on: machine, seconds: 600)
            await machine.cutPower()
            try machine.boot()
            try await fleet.fixture.wait(for: rollout, within: 300) { $0["state"] == "complete" }
            #expect(try await machine.installed == "2.0")
        }
    }

    @Test("a power cut while a version that cannot even start has its time: the next boot puts the one before back")
    func powerCutWhileWaiting() async throws {
        try await UpgradingFleet.run { fleet in
            let machine = try await fleet.machine("web-1", watchSeconds: 30)
            let package = try await fleet.packages.bad(.exitsAtOnce, "2.0")
            let rollout = try await fleet.start(package, "2.0", on: machine)
            try await machine.wait(for: "the new version's time") { machine.phase == "waiting" }
            await machine.cutPower()
            try machine.boot()
            #expect(try await fleet.end(of: rollout)["state"] == "rolled-back")
            #expect(try await machine.installed == "1.0")
            _ = try await machine.agent()
        }
    }

    private static func text(_ value: JSONValue?) -> String {
        if case .string(let text)? = value { text } else { "" }
    }
}
