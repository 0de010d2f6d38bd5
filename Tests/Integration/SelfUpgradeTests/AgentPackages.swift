import Glibc
import MusterSystem
import MusterTestSupport

/// Packages of the agent, as small as they can be: the program that was built beside these tests, without what a debugger
/// needs; and some that no fleet would want.
struct AgentPackages: Sendable {
    /// What is wrong with a version.
    enum Fault: String, Sendable, CaseIterable {
        case exitsAtOnce
        case hangs
        case reachesNothing
        case misreadsItsConfiguration
        case diesAfterItsFirstReport
        case failsToInstall
        case failsHalfWay

        /// What the node says of it.
        var reason: String {
            switch self {
            case .exitsAtOnce, .hangs, .misreadsItsConfiguration, .diesAfterItsFirstReport:
                "did not prove itself within"
            case .reachesNothing: "the service was not reached within"
            case .failsToInstall, .failsHalfWay: "dpkg exited with code"
            }
        }

        /// How the rollout counts it: where dpkg changed nothing there was nothing to go back from.
        var state: String { self == .failsToInstall ? "failed" : "rolled-back" }
    }

    /// The package's name.
    static let name = "muster-agent"
    private let folder: TemporaryFolder
    private let program: String

    /// Packages that are made in `folder`.
    init(_ folder: TemporaryFolder) async throws {
        self.folder = folder
        program = folder.file("stripped-agent")
        try await Self.succeed("/usr/bin/strip", ["-o", program, try BuiltProgram("muster-agent").path])
    }

    /// The agent as it is, as this version; `script` is a postinst.
    func good(_ version: String, postinst script: String? = nil) async throws -> String {
        let tree = try makeTree(version, script.map { ["postinst": $0] } ?? [:])
        try Directory.create(tree + "/usr/bin", mode: 0o755)
        try await Self.succeed("/bin/cp", [program, tree + "/usr/bin/muster-agent"])
        return try await build(tree, version)
    }

    /// A version that nobody should keep.
    func bad(_ fault: Fault, _ version: String) async throws -> String {
        let agent = try BuiltProgram("muster-agent").path
        var scripts: [String: String] = [:]
        let text: String
        switch fault {
        case .exitsAtOnce: text = "exit 1"
        case .hangs: text = "trap '' TERM; while :; do sleep 1; done"
        case .reachesNothing: text = "exec unshare --net \(agent) \"$@\""
        case .misreadsItsConfiguration: text = "exec \(agent) \"$@\" --config /dev/full"
        case .diesAfterItsFirstReport:
            text = """
                \(agent) "$@" 2>&1 | while read -r line; do
                  echo "$line"
                  case $line in *"the new agent has reported"*) kill -KILL -$$;; esac
                done
                """
        case .failsToInstall:
            text = "exit 1"
            scripts["preinst"] = "echo no such luck; exit 1"
        case .failsHalfWay:
            text = "exit 1"
            scripts["postinst"] = "echo no such luck; exit 1"
        }
        let tree = try makeTree(version, scripts)
        try Directory.create(tree + "/usr/bin", mode: 0o755)
        try AtomicFile.write(Array("#!/bin/sh\n\(text)\n".utf8), to: tree + "/usr/bin/muster-agent", mode: 0o755)
        return try await build(tree, version)
    }

    private func makeTree(_ version: String, _ scripts: [String: String]) throws -> String {
        let tree = folder.file("packages/tree-\(version)")
        try Directory.create(tree + "/DEBIAN", mode: 0o755)
        try Directory.create(tree + "/usr/share/muster-agent", mode: 0o755)
        try AtomicFile.write(Array((version + "\n").utf8), to: tree + "/usr/share/muster-agent/version", mode: 0o644)
        let control = """
            Package: \(Self.name)
            Version: \(version)
            Architecture: all
            Maintainer: Tests <tests@example.com>
            Description: the agent, for tests

            """
        try AtomicFile.write(Array(control.utf8), to: tree + "/DEBIAN/control", mode: 0o644)
        for (script, text) in scripts {
            try AtomicFile.write(Array("#!/bin/sh\n\(text)\n".utf8), to: "\(tree)/DEBIAN/\(script)", mode: 0o755)
        }
        return tree
    }

    private func build(_ tree: String, _ version: String) async throws -> String {
        let file = folder.file("packages/\(Self.name)_\(version)_all.deb")
        try await Self.succeed("/usr/bin/dpkg-deb", ["--build", "--root-owner-group", "-Zzstd", "-z1", tree, file])
        return file
    }

    private static func succeed(_ program: String, _ arguments: [String]) async throws {
        let result = try await Command(program, arguments).run(timeout: .seconds(120))
        guard result.succeeded else {
            throw RunningProgram.Failure("\(program) \(arguments) \(result.endingText): \(result.errorText)")
        }
    }
}
