import Glibc
import MusterSystem
import MusterTestSupport
import Testing

/// OpenSSH's own programs in a folder of the test's own: keys, signatures, an agent that ends with the fixture.
final class OpenSSHFixture: Sendable {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Makes a key and returns its path.
    func key(_ arguments: [String], name: String) async throws -> String {
        let path = folder.file(name)
        try await run("/usr/bin/ssh-keygen", ["-q", "-N", "", "-C", name, "-f", path] + arguments)
        return path
    }

    @discardableResult
    func run(_ program: String, _ arguments: [String], input: [UInt8] = []) async throws -> CommandResult {
        let command = Command(program, arguments, input: input, workingDirectory: folder.path)
        let result = try await command.run(timeout: .seconds(120))
        try #require(result.succeeded, "\(program) \(arguments): \(result.endingText): \(result.errorText)")
        return result
    }

    /// Whether `ssh-keygen -Y verify` accepts the signature.
    func verify(_ message: [UInt8], _ armored: String, namespace: String, publicKeyLine: String) async throws -> Bool {
        let signers = folder.file("signers-\(UInt32.random(in: 0...UInt32.max))")
        let signature = signers + ".sig"
        try AtomicFile.write(Array("ada \(publicKeyLine)\n".utf8), to: signers)
        try AtomicFile.write(Array(armored.utf8), to: signature)
        let command = Command(
            "/usr/bin/ssh-keygen",
            ["-Y", "verify", "-f", signers, "-I", "ada", "-n", namespace, "-s", signature],
            input: message
        )
        return try await command.run(timeout: .seconds(120)).succeeded
    }

    /// Starts an agent and gives `body` its socket; the agent is ended by its process id.
    func withAgent<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: (String) async throws -> Result
    ) async throws -> Result {
        let socket = folder.file("agent.sock")
        let started = try await run("/usr/bin/ssh-agent", ["-s", "-a", socket])
        let words = started.outputText.split { $0 == ";" || $0 == "=" || $0 == "\n" }
        let index = try #require(words.firstIndex { $0.hasSuffix("SSH_AGENT_PID") })
        let process = try #require(pid_t(words[index + 1]))
        defer { kill(process, SIGTERM) }
        return try await body(socket)
    }

    /// Puts a key into the agent.
    func add(_ key: String, to socket: String) async throws {
        var command = Command("/usr/bin/ssh-add", ["-q", key])
        command.environment["SSH_AUTH_SOCK"] = socket
        let result = try await command.run(timeout: .seconds(120))
        try #require(result.succeeded, "ssh-add: \(result.errorText)")
    }
}
