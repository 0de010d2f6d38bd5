import ByteCoding
import Glibc
import MusterSystem

/// sshd and its tools, as programs that are run.
struct SSHDProgram: Sendable {
    let options: SSHOptions

    /// Longest that any of them may take.
    private static let timeout = Duration.seconds(20)

    /// Whether there is an sshd on this node.
    var exists: Bool { access(options.program, X_OK) == 0 }

    /// The version that it names itself, such as `OpenSSH_9.2p1 Debian-2+deb12u10`; empty where it does not say.
    func version() async -> String {
        // Before 9.3 sshd does not know -V, and says its version while it complains of that.
        guard let result = try? await Command(options.program, ["-V"]).run(timeout: Self.timeout) else { return "" }
        for line in (result.outputText + "\n" + result.errorText).split(separator: "\n")
        where line.hasPrefix("OpenSSH_") {
            return String(line.prefix { $0 != "," }).bounded(256)
        }
        return ""
    }

    /// Why sshd would not start with this configuration; nil where it would.
    func objection(to configuration: String) async -> String? {
        do throws(SystemError) {
            try makeSeparationFolder()
            let result = try await Command(options.program, ["-t", "-f", configuration]).run(timeout: Self.timeout)
            return result.succeeded ? nil : Self.words(result)
        } catch {
            return "\(error)"
        }
    }

    /// The configuration as sshd understands it.
    func effective() async throws(SystemError) -> SSHDEffective {
        try makeSeparationFolder()
        let result = try await Command(options.program, ["-T", "-f", options.configuration])
            .run(timeout: Self.timeout, outputLimit: 1 << 20)
        guard result.succeeded else {
            throw SystemError("ask sshd about", options.configuration, because: Self.words(result))
        }
        return SSHDEffective(result.outputText)
    }

    /// Why OpenSSH would not read this revocation list; nil where it would.
    func objection(toRevocations path: String) async -> String? {
        do throws(SystemError) {
            let result = try await Command(options.keygen, ["-Q", "-l", "-f", path])
                .run(timeout: .seconds(60), outputLimit: 4096)
            return result.succeeded ? nil : Self.words(result)
        } catch {
            return "\(error)"
        }
    }

    /// The public key of a private one.
    func publicKey(of path: String) async -> String? {
        guard let result = try? await Command(options.keygen, ["-y", "-P", "", "-f", path]).run(timeout: Self.timeout),
            result.succeeded
        else { return nil }
        return result.outputText.split(separator: "\n").first.map { String($0) }
    }

    /// The last lines of what a program complained of, on one line.
    private static func words(_ result: CommandResult) -> String {
        let lines = result.errorText.split(whereSeparator: { $0 == "\n" || $0 == "\r" || $0 == "\r\n" })
        guard !lines.isEmpty else { return result.endingText }
        return lines.suffix(4).joined(separator: "; ").bounded(500)
    }

    /// sshd does not even check a configuration without its folder, which is gone after each boot until it starts.
    private func makeSeparationFolder() throws(SystemError) {
        guard geteuid() == 0, !Directory.exists("/run/sshd"), Directory.exists("/run") else { return }
        try Directory.create("/run/sshd", mode: 0o755)
    }
}
