import ArgumentParser
import MusterModel

/// `muster`: the operator's command line.
public struct MusterCommand: AsyncParsableCommand {
    /// Name, help and subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "muster",
        abstract: "Releases, rollouts, approved commands and nodes of a fleet, signed with your own keys.",
        discussion: """
            exit status: 0 done; 1 refused or failed; 2 the command line makes no sense, or it could not be found out.

            MUSTER_CONFIG_DIR names the folder of configuration, sealed keys and trusted metadata (~/.config/muster).
            NO_COLOR switches colours off. The command believes no service: releases and policy are verified from the
            fleet's first root, which is pinned in that folder.
            """,
        version: MusterVersion.line(of: "muster"),
        subcommands: [
            FleetCommand.self, EnrollCommand.self, NodeCommand.self, ReleaseCommand.self, PolicyCommand.self,
            RolloutCommand.self, RunCommand.self, SSHCommand.self, Verify.self, Events.self, Login.self, Logout.self,
            Whoami.self,
        ]
    )

    /// Made by the parser.
    public init() {}
}

/// A command that does its work with a given context.
protocol ContextCommand: AsyncParsableCommand {
    /// Does the work.
    func run(_ context: CommandContext) async throws
}
