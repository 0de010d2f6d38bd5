import ArgumentParser
import ByteCoding
import MusterModel
import TUF

struct ReleaseRenew: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Sign the list of releases again, unchanged, before or after it expires."
    )

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var releaseKey: [String] = []

    @Option(help: "Days until it must be renewed again.") var expiresDays = 365

    @OptionGroup var passphrase: PassphraseOptions

    func validate() throws {
        guard (1...3650).contains(expiresDays) else { throw ValidationError("--expires-days is not within 1 to 3650") }
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let current = try await TrustedView.refresh(context, service.client).newest("releases")
            let targets = try Targets(
                version: current.version + 1,
                expires: context.now().adding(seconds: Int64(expiresDays) * 86400).wholeSeconds,
                targets: current.files
            )
            let staged = StagedMetadata(
                fleet: service.fleet.fleet,
                role: "releases",
                envelope: try SignedEnvelope(signed: targets.json),
                document: nil
            )
            let publication = Publication(role: "releases", service: service, context: context)
            let signed = try await publication.sign(staged, keys: releaseKey, passphrase: passphrase)
            try await publication.publishOrStage(signed, files: [])
        }
    }
}
