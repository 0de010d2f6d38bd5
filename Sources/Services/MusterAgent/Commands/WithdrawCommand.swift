import ArgumentParser
import Logging
import MusterSystem

/// `muster-agent ssh-withdraw`: what the package does before it is removed.
///
/// sshd would refuse every public key once the revocation list that it was told of is gone, so the agent's part has to leave
/// sshd's configuration before the agent's files do.
struct WithdrawCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh-withdraw",
        abstract: "Take muster's part out of sshd's configuration.",
        discussion: """
            The package does this before it is removed, after the agent was stopped; 'muster-agent serve' puts it in again.
            What remains is checked by sshd before it is loaded. Nothing is done where there is no sshd, or where the agent
            leaves it alone. Exit codes: 0 it is out; 1 it is not, the reason is on standard error.
            """
    )

    @OptionGroup var state: StateOptions
    @OptionGroup var ssh: SSHArguments

    @Option(help: "Configuration of this node; may be missing.")
    var config = AgentConfiguration.usual

    func run() async throws {
        var configuration = try AgentConfiguration.load(config)
        ssh.apply(to: &configuration.ssh)
        let options = configuration.ssh
        guard configuration.managesSSH, SSHDProgram(options: options).exists else { return }
        let logger = ServeCommand.logger(.notice)
        do {
            try await SSHDSetup(options: options, paths: SSHPaths(state.paths), logger: logger).withdraw()
        } catch {
            ErrorOutput.write("muster-agent: \(error.message)\n")
            throw ExitCode(1)
        }
    }
}
