import CanonicalJSON
import Glibc
import MusterSystem
import MusterTestSupport

/// A fleet of the real programs with one node whose agent looks after a real sshd, and people who log in there.
struct SSHFleetFixture: Sendable {
    static let node = "web-1"

    let fleet: FleetFixture
    let sshd: SSHDFixture
    let folder: TemporaryFolder

    /// Runs a test; `operators`, `options` and `policy` are as in `FleetFixture`, `serviceOptions` are for musterd.
    ///
    /// The node's sshd is ready, unless the fleet is one without SSH certificates.
    static func run(
        operators: [String] = ["ada"],
        options: [String] = [],
        serviceOptions: [String] = [],
        hasCertificates: Bool = true,
        policy: (@Sendable ([String]) -> String)? = nil,
        _ test: @Sendable (SSHFleetFixture) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        // The principals command runs as nobody, who must be able to pass.
        chmod(folder.path, 0o711)
        let sshd = try await SSHDFixture(in: folder.file("sshd"))
        var placement = FleetPlacement()
        placement.serviceOptions += serviceOptions
        placement.agentSettings = """
            , "ssh": {"on": true, "sshd_config": "\(sshd.configuration)", "log": "\(sshd.logFile)", "check_seconds": 1}
            """
        do {
            try await FleetFixture.run(
                operators: operators,
                options: options,
                placement: placement,
                policy: policy
            ) { fleet in
                chmod(fleet.folder.path, 0o711)
                try await fleet.addNodes([node])
                let fixture = SSHFleetFixture(fleet: fleet, sshd: sshd, folder: folder)
                do {
                    if hasCertificates { try await fixture.waitForSSHD() }
                    try await test(fixture)
                } catch {
                    throw RunningProgram.Failure("\(error)\n--- sshd\n\(sshd.log.suffix(4000))")
                }
            }
        } catch {
            await sshd.end()
            throw error
        }
        await sshd.end()
    }

    /// Until the node has proved that its sshd is as it should be, `explain` says what is missing.
    func waitForSSHD() async throws {
        var last = ""
        for _ in 0..<240 {
            let result = try await run(["ssh", "explain", "--as", "root", "--on", Self.node])
            last = result.text
            if !last.contains("missing:"), !last.contains("muster:") { return }
            try await Task.sleep(for: .milliseconds(500))
        }
        throw RunningProgram.Failure("sshd was not set up:\n\(last)")
    }

    // MARK: - People

    /// What came of a command.
    struct Outcome: Sendable {
        let status: Int32
        let output: String
        let errors: String

        var text: String { output + errors }
    }

    func environment(_ name: String, agent: String? = nil) -> [String: String] {
        var environment = Command.plainEnvironment
        environment["MUSTER_CONFIG_DIR"] = fleet.desk(name)
        environment["HOME"] = fleet.folder.file("desk")
        environment["USER"] = name
        environment["SHELL"] = "/bin/sh"
        environment["SSH_AUTH_SOCK"] = agent
        return environment
    }

    /// Runs `muster`, whatever comes of it.
    func run(_ arguments: [String], as name: String = "ada", agent: String? = nil) async throws -> Outcome {
        try await run(try BuiltProgram("muster").path, arguments, environment(name, agent: agent))
    }

    func run(_ program: String, _ arguments: [String], _ environment: [String: String]) async throws -> Outcome {
        let result = try await Command(program, arguments, environment: environment)
            .run(timeout: .seconds(120), outputLimit: 1 << 22)
        guard case .exited(let status) = result.ending else {
            throw RunningProgram.Failure("\(arguments) \(result.endingText): \(result.outputText)\(result.errorText)")
        }
        return Outcome(status: status, output: result.outputText, errors: result.errorText)
    }

    /// `muster ssh` to the node with a command, after `options`.
    func ssh(
        _ command: String,
        _ options: [String] = [],
        as name: String = "ada",
        agent: String? = nil
    ) async throws -> Outcome {
        let words = ["ssh", "-p", "\(sshd.port)"] + options + ["root@\(Self.node)", command]
        return try await run(words, as: name, agent: agent)
    }

    /// `muster … --json`, read.
    func json(_ arguments: [String], as name: String = "ada") async throws -> JSONValue {
        let outcome = try await run(arguments + ["--json"], as: name)
        return try JSONValue.parse(Array(outcome.output.utf8), limit: 1 << 22)
    }

    /// Where the certificate of ada, or another operator, for the node is.
    func place(_ name: String = "ada") -> String { fleet.desk(name) + "/ssh/root@\(Self.node)" }
}
