import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterIdentity
import MusterKeys
import MusterModel
import MusterSystem

/// `muster-agent status`: what this node knows of itself.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show this node's fleet, tags, packages and upgrades.",
        discussion: "Exit codes: 0 enrolled; 1 the state cannot be read; 2 not enrolled."
    )

    @OptionGroup var state: StateOptions

    @Flag(help: "Write one JSON object.")
    var json = false

    func run() async throws {
        let paths = state.paths
        guard let enrollment = try Enrollment.load(paths) else {
            print(json ? "{\"enrolled\": false}" : "not enrolled")
            throw ExitCode(2)
        }
        let isRunning = try Directory.exists(paths.lock) && FileLock.tryAcquire(paths.lock) == nil
        let state = try NodeState(paths, enrollment: enrollment)
        let status = AgentStatus(
            enrollment: enrollment,
            isRunning: isRunning,
            memory: await state.memory,
            journal: await state.journal,
            watched: try WatchStatus(paths),
            runs: try RunStatus.read(paths),
            publicKey: try NodeKeyFile.readIfPresent(paths.key)?.publicKey ?? []
        )
        print(json ? status.json.prettyText : status.text)
    }
}

/// The status of an enrolled node, to be shown.
struct AgentStatus: Sendable {
    let enrollment: Enrollment
    let isRunning: Bool
    let memory: NodeMemory
    let journal: UpgradeJournal?
    let watched: WatchStatus?
    let runs: [RunStatus]
    /// The node's present Ed25519 public key; empty where there is none on the disk.
    let publicKey: [UInt8]

    /// Ended upgrades and the one that goes on, oldest first.
    private var progress: [NodeProgress] {
        memory.progress + [journal?.progress(version: "")].compactMap { $0 }
    }

    var json: JSONValue {
        [
            "enrolled": true, "node": .string(enrollment.node.text), "name": .string(enrollment.name),
            "fleet": .string(enrollment.fleet.text), "service": .string(enrollment.service),
            "running": .bool(isRunning), "sequence": .integer(memory.sequence),
            "tags": .array(memory.tags.sorted().map { .string($0.text) }),
            "packages": .object(JSONObject(memory.installed.map { ($0.key, .string($0.value.version)) })),
            "phase": journal.map { .string($0.phase.rawValue) } ?? .null,
            "confirm_until": journal?.confirmUntil.map { .integer($0.milliseconds) } ?? .null,
            "progress": .array(progress.map(\.json)), "key": memory.key?.json ?? .null,
            "watcher": watched?.json ?? .null, "removed": .string(memory.removal), "runs": .array(runs.map(\.json)),
            "public_key": .string(Hex.encode(publicKey)),
        ]
    }

    private static func words(_ key: NodeKeyNotice) -> String {
        let until = key.extendedUntil.map { ", extended until \($0.wholeSeconds)" } ?? ""
        switch NodeKeyLife.State(rawValue: key.state) {
        case .exempt: return "exempt from expiry"
        case .extended: return "expired at \(key.expires.wholeSeconds)\(until): about to be replaced"
        default:
            return "expires at \(key.expires.wholeSeconds), replaced by itself from \(key.rotateAfter.wholeSeconds) on"
        }
    }

    var text: String {
        let tags = memory.tags.sorted().map(\.text).joined(separator: ", ")
        var lines = [
            "node      \(enrollment.node) (\(enrollment.name))", "fleet     \(enrollment.fleet)",
            "service   \(enrollment.service)", "agent     \(isRunning ? "running" : "not running")",
            "tags      \(tags.isEmpty ? "none" : tags)",
        ]
        if !memory.removal.isEmpty {
            lines.append("removed   \(memory.removal)")
        } else if let key = memory.key {
            lines.append("key       \(memory.keyTrouble ?? Self.words(key))")
        }
        if !publicKey.isEmpty { lines.append("node key  \(Hex.encode(publicKey))") }
        for (package, release) in memory.installed.sorted(by: { $0.key < $1.key }) {
            lines.append("package   \(package) \(release.version)")
        }
        for entry in progress {
            let reason = entry.reason.isEmpty ? "" : ": \(entry.reason)"
            lines.append("rollout   \(entry.rollout) \(entry.state.rawValue) \(entry.at)\(reason)")
        }
        if let journal, journal.phase == .confirming, let until = journal.confirmUntil {
            let back = journal.source?.version.map { "\($0) is put back" } ?? "it is removed"
            lines.append(
                "proving   \(journal.release.package) \(journal.release.version) until \(until.wholeSeconds), else \(back)"
            )
        }
        if let watched { lines.append("watcher   \(watched.text)") }
        lines += runs.map { "run       \($0.text)" }
        // The service chose the name and some of the reasons, and this is shown at root's terminal.
        return lines.map(\.harmless).joined(separator: "\n")
    }
}
