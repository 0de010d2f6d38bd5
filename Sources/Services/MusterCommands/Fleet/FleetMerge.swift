import ArgumentParser

struct FleetMerge: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Put signatures that were made in parallel into the first of several staged files."
    )

    @Argument(help: ArgumentHelp("Staged files of the same root, or of the same targets.", valueName: "staged.json"))
    var staged: [String]

    func run(_ context: CommandContext) async throws {
        guard staged.count >= 2, let first = staged.first else {
            throw CommandFailure.usage("merging takes at least two staged files")
        }
        let publication = FleetPublication(context: context)
        let fleet = try FleetMetadata.stored(context)
        var merged = try publication.read([first])[0].metadata
        let view = try fleet.view(merged.role)
        for path in staged.dropFirst() {
            let other = try StagedMetadata.read(path, role: merged.role, fleet: merged.fleet)
            merged = try merged.merged(with: other, path: path, view)
        }
        try merged.write(to: first)
        try publication.report([(first, merged)], fleet)
    }
}
