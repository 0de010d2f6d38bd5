import ArgumentParser

struct ReleaseSign: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign",
        abstract: "Add your signature to staged releases; needs no service.",
        discussion: """
            Shows what the staged file would change against the releases that were trusted here last, and refuses one that
            loses or alters releases. Needs the staged file, a release key, and the trusted root and targets in the
            configuration folder.
            """
    )

    @Argument(help: ArgumentHelp("The staged file.", valueName: "staged.json"))
    var staged: String

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var releaseKey: [String] = []

    @Flag(help: "Sign even if releases are lost or altered.") var allowLoss = false

    @OptionGroup var passphrase: PassphraseOptions

    func run(_ context: CommandContext) async throws {
        try await OfflineSigning(role: "releases", context: context).sign(
            staged,
            keys: releaseKey,
            allowLoss: allowLoss,
            passphrase: passphrase
        )
    }
}
