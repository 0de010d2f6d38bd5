import AgentTestSupport
import MusterAPI
import MusterAgent
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// A node on version 1.0 that is asked for 2.0 and meets a fault; a copy of one that was made ready once.
struct CrashedNode {
    /// How it ended.
    struct End: Sendable {
        /// The version that is installed, or what dpkg says where none is whole.
        let version: String
        /// What the service was told.
        let outcome: NodeProgress.State
        let reason: String
        /// Everything that is not as it must be; empty where all is.
        let trouble: String
    }

    /// A node that is made ready.
    struct Template: Sendable {
        let folder: TemporaryFolder
        let rollout: RolloutID
    }

    /// One run of the agent.
    private struct Attempt {
        let ending: CommandResult.Ending
        let words: String

        init(_ result: CommandResult) {
            self.init(ending: result.ending, words: result.errorText + result.outputText)
        }

        init(ending: CommandResult.Ending, words: String) {
            self.ending = ending
            self.words = words
        }
    }

    let folder: TemporaryFolder
    let rollout: RolloutID

    /// A node with 1.0 installed by muster, and 2.0 assigned.
    static func template(fails: Bool) async throws -> Template {
        let node = try NodeFixture()
        var first = TestPackage("probe", "1.0")
        var second = TestPackage("probe", "2.0")
        first.scripts = Fault.scripts
        second.scripts = Fault.scripts
        try node.assign(try await node.release(first), seed: "first")
        #expect(try await node.turn() == nil)
        let check = HealthCheck(probe: .command(["false"]), timeoutSeconds: 30, attempts: 1)
        let path = try await node.release(second, checks: fails ? [check] : [])
        let rollout = try node.assign(path, seed: "second")
        await node.close()
        return Template(folder: node.folder, rollout: rollout)
    }

    init(copyOf template: Template) async throws {
        folder = try TemporaryFolder()
        rollout = template.rollout
        let copied = try await Command("/bin/cp", ["-a", template.folder.path + "/.", folder.path])
            .run(timeout: .seconds(300))
        #expect(copied.succeeded, "\(copied.errorText)")
    }

    /// Runs the agent once for the node in a folder.
    static func run(_ folder: String, _ words: [String] = []) async throws -> CommandResult {
        try await Command(try BuiltProgram("muster-agent-crashing").path, [folder] + words).run(timeout: .seconds(300))
    }

    /// Lets the fault happen at the phase, ends it, starts the agent once more, and says how the node ended.
    func meet(_ fault: Fault, at phase: UpgradePhase) async throws -> End {
        let first: Attempt
        let second: Attempt
        if fault == .disk {
            (first, second) = try await onSmallDisk(phase)
        } else {
            first = Attempt(try await Self.run(folder.path, [phase.rawValue, fault.rawValue]))
            try Fault.end(folder.path)
            second = Attempt(try await Self.run(folder.path))
        }
        let end = try await end()
        var trouble = end.trouble
        if !Directory.exists(folder.file(Fault.mark)) { trouble += "; the phase was never reached" }
        if second.ending != .exited(0) { trouble += "; the agent still complains" }
        let said = trouble.isEmpty ? "" : trouble + "\n\(first.words.suffix(1500))\n\(second.words.suffix(1500))"
        return End(version: end.version, outcome: end.outcome, reason: end.reason, trouble: said)
    }

    /// How the node is now.
    func end() async throws -> End {
        let root = TestAgent.root(folder.path)
        var troubles: [String] = []
        let state = try await DpkgInstaller(root: root).state(of: "probe")
        let path = root + "/usr/share/probe/version"
        let content = String(decoding: try BoundedFile.readIfPresent(path, limit: 100) ?? [], as: UTF8.self)
        if case .installed(let version) = state {
            if content != version + "\n" { troubles.append("the files are of \(content), dpkg says \(version)") }
        } else {
            troubles.append("dpkg says \(state)")
        }
        let audit = try await Command("/usr/bin/dpkg", ["--root=\(root)", "--audit"]).run(timeout: .seconds(120))
        if !audit.outputText.isEmpty { troubles.append("dpkg --audit: \(audit.outputText)") }
        for name in ["journal.json", "reserve"] where Directory.exists(folder.path + "/state/" + name) {
            troubles.append("there is still \(name)")
        }
        let progress = try TestAgent.service(folder.path).reports().last?.progress.last { $0.rollout == rollout }
        if progress?.state.isFinal != true {
            troubles.append("the service was told \(progress?.state.rawValue ?? "nothing")")
        }
        if let progress, progress.version != state.version { troubles.append("\(progress.version) is reported") }
        return End(
            version: state.version ?? "none",
            outcome: progress?.state ?? .downloading,
            reason: progress?.reason ?? "",
            trouble: troubles.joined(separator: "; ")
        )
    }

    /// State and packages on a disk of a few megabytes, which the fault fills; dpkg must have a whole version while it is full.
    private func onSmallDisk(_ phase: UpgradePhase) async throws -> (Attempt, Attempt) {
        let script = """
            set -e; F=$1; mkdir $F/disk; mount -t tmpfs -o size=64m tmpfs $F/disk; cp -a $F/state $F/root $F/disk/
            mount --bind $F/disk/state $F/state; mount --bind $F/disk/root $F/root
            "$2" "$F" "$3" disk > $F/first 2>&1 || true
            rm -f $F/disk/filler; code=0; "$2" "$F" > $F/second 2>&1 || code=$?
            umount $F/state; umount $F/root; rm -rf $F/state $F/root; cp -a $F/disk/state $F/disk/root $F/; exit $code
            """
        let program = try BuiltProgram("muster-agent-crashing").path
        let words = ["--mount", "/bin/sh", "-c", script, "sh", folder.path, program, phase.rawValue]
        let whole = try await Command("/usr/bin/unshare", words).run(timeout: .seconds(600))
        func attempt(_ name: String) throws -> Attempt {
            let said = try BoundedFile.readIfPresent(folder.file(name), limit: 16 << 20) ?? []
            return Attempt(ending: whole.ending, words: String(decoding: said, as: UTF8.self) + whole.errorText)
        }
        return (try attempt("first"), try attempt("second"))
    }
}
