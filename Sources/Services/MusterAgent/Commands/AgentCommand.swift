import ArgumentParser
import MusterModel

/// `muster-agent`: the program on every node.
///
/// Exit codes: 0 done; 1 could not be done, the reason is on standard error; 2 (of `status`) the node has not joined a
/// fleet; 64 wrong command line.
public struct AgentCommand: AsyncParsableCommand {
    /// What the command line says.
    public static let configuration = CommandConfiguration(
        commandName: "muster-agent",
        abstract: "Keeps this node at the versions that its fleet's operators signed.",
        discussion: """
            Exit codes: 0 done; 1 could not be done; 2 (status) not enrolled; 64 wrong command line.
            """,
        version: MusterVersion.line(of: "muster-agent"),
        subcommands: [
            EnrollCommand.self, ServeCommand.self, StatusCommand.self, PrincipalsCommand.self, WithdrawCommand.self,
        ]
    )

    /// A command without arguments.
    public init() {}
}

/// Options that all commands share.
struct StateOptions: ParsableArguments {
    @Option(help: "Folder of the node's key and state.")
    var stateDir = AgentPaths.usual

    var paths: AgentPaths { AgentPaths(stateDir) }
}
