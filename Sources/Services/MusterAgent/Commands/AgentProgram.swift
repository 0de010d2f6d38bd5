import ArgumentParser
import Glibc

/// What `muster-agent` does first.
public enum AgentProgram {
    /// Runs the command of the command line.
    public static func run() async {
        if let code = RunSupervisor.quickly(CommandLine.arguments) { exit(code) }
        if let code = await WatchProgram.quickly(CommandLine.arguments) { exit(code) }
        if let code = PrincipalsCommand.quickly(CommandLine.arguments) { exit(code) }
        await AgentCommand.main()
    }
}
