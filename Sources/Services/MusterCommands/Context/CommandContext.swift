import ArgumentParser
import ByteCoding
import Glibc
import MusterSigners
import MusterSystem

/// What a command works with: made from the environment by `run()`, and by tests from what they like.
public struct CommandContext: Sendable {
    /// Where the fleet's configuration, keys and trusted metadata are.
    public let folder: ConfigurationFolder
    /// Where to write and ask.
    public let terminal: Terminal
    /// The environment.
    public let environment: [String: String]
    /// The folder that relative paths are kept relative to.
    public let workingDirectory: String
    /// How hard it is to try a passphrase of a new key.
    public let keyCost: KeyDerivation.Cost
    /// What the program is called, in what other programs are told to run.
    public let program: String
    /// Goes on as another program, with these arguments and this environment.
    public let handOver: @Sendable (String, [String], [String: String]) throws -> Void
    /// The time.
    public let now: @Sendable () -> UTCTime

    /// A context of these parts.
    public init(
        folder: ConfigurationFolder,
        terminal: Terminal,
        environment: [String: String],
        workingDirectory: String = "/",
        keyCost: KeyDerivation.Cost = .moderate,
        program: String = "muster",
        handOver: @escaping @Sendable (String, [String], [String: String]) throws -> Void = {
            try ProgramReplacement.run($0, $1, environment: $2)
        },
        now: @escaping @Sendable () -> UTCTime = WallClock.now
    ) {
        self.folder = folder
        self.terminal = terminal
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.keyCost = keyCost
        self.program = program
        self.handOver = handOver
        self.now = now
    }

    /// The context of the running program.
    public static func system(environment: [String: String]) throws -> CommandContext {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let folder = getcwd(&buffer, buffer.count).map { String(cString: $0) } ?? "/"
        // Found on the path unless it was named by a path.
        var program = "muster"
        if CommandLine.arguments.first?.contains("/") == true, let real = realpath("/proc/self/exe", nil) {
            program = String(cString: real)
            free(real)
        }
        return CommandContext(
            folder: try ConfigurationFolder(environment: environment),
            terminal: .system(environment: environment),
            environment: environment,
            workingDirectory: folder,
            program: program
        )
    }

    /// The path of a file that was named on the command line.
    func absolute(_ file: String) -> String {
        file.hasPrefix("/") ? file : workingDirectory + "/" + file
    }

    /// The environment of this process.
    public static func processEnvironment() -> [String: String] {
        var environment: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            if let (name, value) = String(cString: text).split(atFirst: UInt8(ascii: "=")) { environment[name] = value }
            entry += 1
        }
        return environment
    }
}

extension ContextCommand {
    /// Does the work with the context of the running program.
    mutating func run() async throws {
        try await run(CommandContext.system(environment: CommandContext.processEnvironment()))
    }
}
