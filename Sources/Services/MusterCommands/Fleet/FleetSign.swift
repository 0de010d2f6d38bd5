import ArgumentParser

struct FleetSign: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign",
        abstract: "Add your signature to staged root and targets metadata; needs no service.",
        discussion: """
            Shows what the staged files would change against what was trusted here last, and refuses to change keys or roles
            unless told. Needs the staged files and a root key.
            """
    )

    @Argument(help: ArgumentHelp("The staged files.", valueName: "staged.json"))
    var staged: [String]

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var rootKey: [String] = []

    @Flag(help: "Sign even if keys or roles change.") var allowChange = false

    @OptionGroup var passphrase: PassphraseOptions

    func run(_ context: CommandContext) async throws {
        let publication = FleetPublication(context: context)
        let fleet = try FleetMetadata.stored(context)
        let signed = try await publication.sign(
            try publication.read(staged),
            fleet,
            keys: rootKey,
            allowChange: allowChange,
            passphrase: passphrase
        )
        for (path, metadata) in signed { try metadata.write(to: path) }
        try publication.report(signed, fleet)
    }
}
