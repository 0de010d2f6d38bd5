import ArgumentParser
import MusterClient
import MusterModel
import MusterSystem
import SignatureVerification

struct FleetJoin: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Work with an existing fleet from this machine: pin its first root.",
        discussion: """
            The fleet id, which a colleague reads to you, pins the first root: nothing that the service says is believed
            without it. Whether you may do anything is for the fleet's policy to say.
            """
    )

    @Option(help: ArgumentHelp("Where the fleet service is.", valueName: "url"))
    var service: String

    @Option(help: ArgumentHelp("The fleet id: 64 hexadecimal digits.", valueName: "id"))
    var fleet: NameArgument<FleetID>

    @Option(
        name: .customLong("operator"),
        help: ArgumentHelp("Your name in the policy (default: $USER).", valueName: "name")
    )
    var operatorName: NameArgument<OperatorName>?

    @Option(help: ArgumentHelp("Your SSH public key (default: ~/.ssh/id_ed25519.pub).", valueName: "file.pub"))
    var operatorKey: String?

    @Option(help: ArgumentHelp("PEM file of certificate authorities to believe.", valueName: "file"))
    var caFile: String?

    func run(_ context: CommandContext) async throws {
        let folder = context.folder
        if let existing = try? folder.fleet(), existing.fleet != fleet.name {
            throw CommandFailure.refused("\(folder.path) belongs to fleet \(existing.fleet): set MUSTER_CONFIG_DIR")
        }
        let identity = try OperatorConfiguration.chosen(name: operatorName?.name, key: operatorKey, context)
        try await context.withClient(service: service, authorities: caFile) { client in
            guard let root = try await RepositoryFetcher(client).fetch("1.root.json", limit: 512_000) else {
                throw CommandFailure.undetermined("\(service) has no fleet yet")
            }
            guard FleetID(digest: Digest.sha256(root)) == fleet.name else {
                throw CommandFailure.refused("the first root that \(service) offers is not that of fleet \(fleet.name)")
            }
            try Directory.create(folder.tuf)
            try AtomicFile.write(root, to: folder.pinnedRootFile)
            try folder.write(identity.json, to: folder.operatorFile)
            try folder.write(
                FleetConfiguration(service: service, fleet: fleet.name, authorities: caFile).json,
                to: folder.fleetFile
            )
            _ = try await TrustedView.refresh(context, client)
        }
        context.terminal.line("joined fleet \(fleet.name) as \(identity.name)")
    }
}
