import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Synchronization

/// One node as a machine: a small init that runs the agent from its package, and starts it again whenever it ends.
///
/// As where systemd runs, a watcher that has work to do is started by each boot, whatever the agent is like.
final class Machine: Sendable {
    /// Its name.
    let name: String
    private let fleet: FleetFixture
    private let folder: String
    private let running = Mutex<RunningProgram?>(nil)

    /// The state folder of its agent.
    var state: String { fleet.stateFolder(name) }
    /// Where its package's program is.
    var program: String { fleet.root(name) + "/usr/bin/muster-agent" }

    /// A node that has joined, with this package installed, switched off; it has its name for its tag.
    init(
        _ name: String,
        _ fleet: FleetFixture,
        package: String,
        watchSeconds: Int = 240,
        steadySeconds: Int = 1
    ) async throws {
        self.name = name
        self.fleet = fleet
        folder = fleet.folder.file("nodes/\(name)")
        let settings = """
            "confirm_seconds": 10, "self_upgrade": {"restart": ["/bin/sh", "\(folder)/restart"], \
            "watch_seconds": \(watchSeconds), "steady_seconds": \(steadySeconds)}
            """
        try await fleet.enrollNodes([name], tag: name, settings: settings)
        try await DpkgInstaller(root: fleet.root(name)).install(try OpenFile(package))
        try AtomicFile.write(Array(initScript.utf8), to: folder + "/init")
        try AtomicFile.write(Array(restartScript.utf8), to: folder + "/restart")
    }

    /// Switches it on: its processes are in a namespace of their own, and all end with its init.
    func boot() throws {
        guard running.withLock({ $0 == nil }) else { throw RunningProgram.Failure("\(name) is switched on already") }
        let options = ["--pid", "--fork", "--kill-child=KILL", "--mount-proc", "/bin/sh", folder + "/init"]
        let program = try RunningProgram("/usr/bin/unshare", options, log: folder + "/init.log")
        running.withLock { $0 = program }
    }

    /// Takes its power away: every process of it ends at once, in the middle of whatever it did.
    func cutPower() async {
        guard let program = running.withLock({ $0 }) else { return }
        // Whoever waits for an init returns when everything in its namespace has ended.
        for child in ProcessTable().descendants(of: program.pid) where child.parent == program.pid {
            kill(child.id, SIGKILL)
        }
        if await program.exit(within: .seconds(30)) == nil { await program.end() }
        running.withLock { $0 = nil }
    }

    /// Everything that its programs have said.
    var story: String {
        ["init.log", "state/watcher/log"].map { name in
            let bytes = (try? BoundedFile.readIfPresent(folder + "/" + name, limit: 1 << 22)) ?? nil
            return "--- \(self.name) \(name)\n" + String(decoding: (bytes ?? []).suffix(6000), as: UTF8.self)
        }.joined(separator: "\n")
    }

    /// The processes whose program `isWanted`, by the path that the kernel has for it.
    private func processes(where isWanted: (String) -> Bool) -> [Int32] {
        ProcessTable().entries.filter { entry in
            var buffer = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/\(entry.id)/exe", &buffer, buffer.count)
            guard count > 0 else { return false }
            return isWanted(String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }.map(\.id)
    }

    /// The processes of its agents, be their program replaced by now.
    var agents: [Int32] { processes { $0.hasPrefix(program) } }

    /// The process of the watcher; nil where none is.
    var watcher: Int32? { processes { $0 == state + "/watcher/muster-agent" }.first }

    /// The version that dpkg says is whole.
    var installed: String {
        get async throws { try await fleet.installed(AgentPackages.name, on: name) }
    }

    /// How far the watcher is; nil where there is none.
    var phase: String? {
        guard let bytes = try? BoundedFile.read(state + "/watcher/progress.json", limit: 65536),
            case .string(let phase)? = try? JSONValue.parse(bytes, limit: 65536)["phase"]
        else { return nil }
        return phase
    }

    /// Waits for something to happen on it.
    func wait(for what: String, within seconds: Int = 180, until hasHappened: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            if try await hasHappened() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("\(name): not within \(seconds) seconds: \(what)\n\(story)")
    }

    /// The id of the agent's process once one runs the program that is on the disk.
    func agent() async throws -> Int32 {
        var found: Int32?
        try await wait(for: "an agent that runs") {
            found = processes { $0 == program }.first
            return found != nil
        }
        guard let found else { throw RunningProgram.Failure("the agent of \(name) is gone") }
        return found
    }

    private var initScript: String {
        """
        state=\(state)
        if [ -e "$state/watcher/plan.json" ]; then
          setsid "$state/watcher/muster-agent" watch-upgrade --state-dir "$state" &
        fi
        while :; do
          setsid \(program) serve --config \(folder)/agent.json --state-dir "$state" </dev/null &
          pid=$!
          echo $pid > \(folder)/pid.new && mv \(folder)/pid.new \(folder)/pid
          wait $pid
          sleep 0.3
        done

        """
    }

    /// As `systemctl restart`: TERM, KILL where that does not help, and success once the program was started again.
    private var restartScript: String {
        """
        old=$(cat \(folder)/pid)
        kill -TERM -$old
        for i in $(seq 60); do
          kill -0 -$old 2>/dev/null || break
          [ $i = 30 ] && kill -KILL -$old
          sleep 0.1
        done
        for i in $(seq 600); do
          [ "$(cat \(folder)/pid)" != "$old" ] && exit 0
          sleep 0.1
        done
        exit 1

        """
    }
}
