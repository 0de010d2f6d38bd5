import ArgumentParser

struct ReleaseMerge: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Put signatures that were made in parallel into the first of several staged files."
    )

    @Argument(help: ArgumentHelp("Staged files of the same releases.", valueName: "staged.json"))
    var staged: [String]

    func run(_ context: CommandContext) async throws {
        try OfflineSigning(role: "releases", context: context).merge(staged)
    }
}
