import ArgumentParser

/// The program: parses, runs, and turns every outcome into lines and an exit status.
public enum MusterProgram {
    /// Runs the command line in the environment of this process; returns the exit status.
    public static func main(_ arguments: [String]) async -> Int32 {
        let environment = CommandContext.processEnvironment()
        do {
            return await run(arguments, try CommandContext.system(environment: environment))
        } catch {
            return report(whatIsSaid(to: arguments) ?? error, .system(environment: environment))
        }
    }

    /// Help, version and completions, which need neither a home nor a configuration; nil where there is work to do.
    private static func whatIsSaid(to arguments: [String]) -> (any Error)? {
        do {
            _ = try MusterCommand.parseAsRoot(arguments)
            return nil
        } catch {
            return MusterCommand.exitCode(for: error).isSuccess ? error : nil
        }
    }

    /// Runs the command line `arguments` (without the program's own name); returns the exit status.
    public static func run(_ arguments: [String], _ context: CommandContext) async -> Int32 {
        do {
            let command = try MusterCommand.parseAsRoot(arguments)
            if let command = command as? any ContextCommand {
                try await command.run(context)
            } else {
                var command = command
                try command.run()
            }
            return 0
        } catch {
            return report(error, context.terminal)
        }
    }

    private static func report(_ error: any Error, _ terminal: Terminal) -> Int32 {
        switch MusterCommand.exitCode(for: error) {
        case .success:
            terminal.raw(MusterCommand.fullMessage(for: error), .output)
            return 0
        case .validationFailure:
            let lines = MusterCommand.fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false)
            terminal.failure(lowercased(MusterCommand.message(for: error)))
            for line in lines.dropFirst() where line.hasPrefix("Usage:") || line.contains("--help") {
                terminal.note(String(line))
            }
            return CommandFailure.Status.undetermined.rawValue
        default:
            if let exit = error as? ExitCode { return exit.rawValue }
            let failure = CommandFailure(error)
            terminal.failure(lowercased(failure.message))
            return failure.status.rawValue
        }
    }

    /// The message beginning in lower case and without a final period.
    private static func lowercased(_ message: String) -> String {
        var message = message
        while message.hasSuffix(".") || message.hasSuffix("\n") { message.removeLast() }
        let second = message.dropFirst().first
        guard second?.isUppercase != true else { return message }
        return message.prefix(1).lowercased() + message.dropFirst()
    }
}
