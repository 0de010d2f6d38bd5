import ArgumentParser

struct PolicySign: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign",
        abstract: "Add your signature to a staged policy; needs no service."
    )

    @Argument(help: ArgumentHelp("The staged file.", valueName: "staged.json"))
    var staged: String

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var policyKey: [String] = []

    @Flag(help: "Sign even if signed files are lost or altered.") var allowLoss = false

    @OptionGroup var passphrase: PassphraseOptions

    func run(_ context: CommandContext) async throws {
        try await OfflineSigning(role: "policy", context: context).sign(
            staged,
            keys: policyKey,
            allowLoss: allowLoss,
            passphrase: passphrase
        )
    }
}

struct PolicyMerge: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Put signatures that were made in parallel into the first of several staged files."
    )

    @Argument(help: ArgumentHelp("Staged files of the same policy.", valueName: "staged.json"))
    var staged: [String]

    func run(_ context: CommandContext) async throws {
        try OfflineSigning(role: "policy", context: context).merge(staged)
    }
}
