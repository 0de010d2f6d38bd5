import CanonicalJSON
import MusterSystem
import MusterTestSupport
import Synchronization

/// A fleet whose nodes run the agent from its own package, version 1.0 to begin with.
final class UpgradingFleet: Sendable {
    let fixture: FleetFixture
    let packages: AgentPackages
    private let first: String
    private let machines = Mutex<[Machine]>([])

    /// Runs a test in a new fleet; its machines lose their power at the end.
    static func run(_ test: @Sendable (UpgradingFleet) async throws -> Void) async throws {
        try await FleetFixture.run(policy: policy) { fixture in
            let fleet = try await UpgradingFleet(fixture)
            do {
                try await test(fleet)
            } catch {
                let story = fleet.machines.withLock { $0 }.map(\.story).joined(separator: "\n")
                await fleet.end()
                throw RunningProgram.Failure("\(error)\n\(story)")
            }
            await fleet.end()
        }
    }

    private init(_ fixture: FleetFixture) async throws {
        self.fixture = fixture
        packages = try await AgentPackages(fixture.folder)
        first = try await packages.good("1.0")
        try await fixture.muster(["release", "add", first] + fixture.passphrase)
    }

    private func end() async {
        for machine in machines.withLock({ $0 }) { await machine.cutPower() }
    }

    /// A machine that has joined and whose agent works.
    func machine(_ name: String, watchSeconds: Int = 240, steadySeconds: Int = 1) async throws -> Machine {
        let machine = try await Machine(
            name,
            fixture,
            package: first,
            watchSeconds: watchSeconds,
            steadySeconds: steadySeconds
        )
        machines.withLock { $0.append(machine) }
        try machine.boot()
        try await fixture.waitUntilOnline([name])
        return machine
    }

    /// Releases a package and has it rolled out on one machine; returns the rollout's id.
    func start(_ package: String, _ version: String, on machine: Machine) async throws -> String {
        try await fixture.muster(["release", "add", package] + fixture.passphrase)
        let words = ["rollout", "start", AgentPackages.name, version, "--on", "tag:\(machine.name)"]
        try await fixture.muster(words + ["--stages", "100%", "--bake", "0s", "--yes"])
        let list = try await fixture.json(["rollout", "list"])
        guard case .array(let rollouts)? = list["items"],
            case .string(let id)? = rollouts.first?["id"]
        else { throw RunningProgram.Failure("no rollout of \(version) in \(list.prettyText)") }
        return id
    }

    /// Has a good 2.0 rolled out whose script takes `seconds` the first time; returns the rollout's id once it runs.
    func startSlow(on machine: Machine, seconds: Int) async throws -> String {
        let mark = fixture.folder.file("mark")
        let slow = "[ -e \(mark) ] || { : > \(mark); exec sleep \(seconds); }"
        let rollout = try await start(packages.good("2.0", postinst: slow), "2.0", on: machine)
        try await machine.wait(for: "the package's script") { Directory.exists(mark) }
        return rollout
    }

    /// The one node of a rollout once nothing more happens to it.
    func end(of rollout: String) async throws -> JSONValue {
        for _ in 0..<600 {
            let shown = try await fixture.json(["rollout", "show", rollout])
            if case .array(let nodes)? = shown["nodes"], let node = nodes.first,
                case .string(let state)? = node["state"],
                ["confirmed", "rolled-back", "failed", "refused"].contains(state)
            {
                return node
            }
            try await Task.sleep(for: .milliseconds(500))
        }
        throw RunningProgram.Failure("rollout \(rollout) does not end")
    }

    /// Begins a run that goes on until `file` exists, and returns its id once it has begun.
    func beginRun(on machine: Machine, waitingFor file: String) async throws -> String {
        let words = ["run", "linger", "--on", "tag:\(machine.name)", "--no-wait", "--yes", "--", "file=\(file)"]
        let said = try await fixture.muster(words).split(whereSeparator: { " :".contains($0) })
        guard said.count == 3 else { throw RunningProgram.Failure("no run: \(said)") }
        let id = String(said[1])
        try await waitForRun(id) { run in
            guard case .array(let nodes)? = run["nodes"] else { return false }
            return nodes.first?["state"] == "started"
        }
        return id
    }

    /// Waits until a run is as it should be.
    func waitForRun(_ id: String, until isReached: (JSONValue) -> Bool) async throws {
        var last: JSONValue = .null
        for _ in 0..<480 {
            last = try await fixture.json(["run", "show", id])["run"] ?? .null
            if isReached(last) { return }
            try await Task.sleep(for: .milliseconds(250))
        }
        throw RunningProgram.Failure("run \(id) did not come to where it should:\n\(last.prettyText)")
    }

    @Sendable private static func policy(_ keys: [String]) -> String {
        """
        operators:
          ada: {keys: [{public_key: \(keys[0]), expires: 2099-01-01T00:00:00Z}]}
        commands:
          linger:
            argv: [/bin/sh, -c, 'while [ ! -e "$1" ]; do sleep 0.2; done; echo went on', sh, "{file}"]
            parameters: {file: {type: text, pattern: "/.*"}}
            user: root
            timeout_seconds: 600
        rules:
          - {name: nodes, allow: [enroll, tag-node], who: [ada], nodes: ["*"], tags: ["*"]}
          - {name: upgrades, allow: [upgrade, roll-back], who: [ada], nodes: ["*"]}
          - {name: runs, allow: [run], who: [ada], nodes: ["*"], commands: [linger]}

        """
    }
}

/// Something that happens once.
final class Flag: Sendable {
    private let value = Atomic(false)

    /// Whether it has happened.
    var isSet: Bool { value.load(ordering: .relaxed) }

    /// It happens.
    func set() { value.store(true, ordering: .relaxed) }
}
