import ArgumentParser
import MusterModel

/// `musterd`.
public struct MusterdCommand: AsyncParsableCommand {
    /// Name, version and subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "musterd",
        abstract: "the fleet service of muster",
        discussion: """
            Exit codes: 0 ended as asked, 1 failed (the reason is on standard error), 64 wrong usage.
            """,
        version: MusterVersion.line(of: "musterd"),
        subcommands: [ServeCommand.self]
    )

    /// A command without values.
    public init() {}

    /// Runs the program with the process's own arguments.
    public static func start() async {
        await main()
    }
}
