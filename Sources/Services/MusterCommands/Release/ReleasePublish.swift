import ArgumentParser
import MusterSystem
import TUF

struct ReleasePublish: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Upload the package files of staged releases, then their metadata."
    )

    @Argument(help: ArgumentHelp("The staged file, signed by enough release managers.", valueName: "staged.json"))
    var staged: String

    @Option(
        name: .customLong("package"),
        help: ArgumentHelp("A package file, where it was not staged on this machine.", valueName: "file")
    )
    var packages: [String] = []

    @Flag(help: "Publish even if releases are lost or altered.") var allowLoss = false

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let view = try await TrustedView.refresh(context, service.client)
            let metadata = try StagedMetadata.read(staged, role: "releases", fleet: service.fleet.fleet)
            let change = MetadataChange(role: "releases", from: try view.newest("releases"), to: try metadata.targets())
            for line in change.lines { context.terminal.line(line) }
            let publication = Publication(role: "releases", service: service, context: context)
            try publication.requireComplete(metadata, try SigningView.stored(role: "releases", context))
            let kept = StagedFiles(context.folder)
            let files = try change.added.map { target in
                guard let path = try kept.find(target, candidates: packages) else {
                    throw CommandFailure.refused(
                        "the package file of \(target.path) is not at hand: name it with --package FILE"
                    )
                }
                return Publication.File(target: target, path: path)
            }
            try await publication.publish(metadata, files: files, allowLoss: allowLoss)
            kept.forget(change.added)
            if Directory.parent(of: staged) == context.folder.staged { try AtomicFile.remove(staged) }
        }
    }
}
