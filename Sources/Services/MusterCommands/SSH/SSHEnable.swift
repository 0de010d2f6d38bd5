import ArgumentParser
import MusterAPI
import MusterClient
import MusterModel

struct SSHEnable: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Turn SSH certificates on in a fleet that was made without them.",
        discussion: """
            Takes the service's CA keys into ssh/trust.json, which the policy keys sign; compare the fingerprints with what
            musterd says at its start. Where more signatures are needed, writes a staged file for 'muster policy sign'. Give
            people a rule for 'ssh-certificate' too: policies/ has examples. A fleet made by this version has all of it.
            """
    )

    @Option(help: "Days until the CAs must be replaced.") var sshCaDays = 365

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var policyKey: [String] = []

    @OptionGroup var passphrase: PassphraseOptions

    func validate() throws {
        guard (1...3650).contains(sshCaDays) else { throw ValidationError("--ssh-ca-days is not within 1 to 3650") }
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let view = try await TrustedView.refresh(context, service.client)
            if view.sshDocument != nil {
                for line in try view.sshTrust().lines(at: context.now()) { context.terminal.line(line) }
                context.terminal.line("SSH certificates are on already")
                return
            }
            let keys = try await service.client.serviceDescription().keys
            let beginning = SSHTrustBeginning(service: keys, time: context.now(), days: sshCaDays)
            guard let trust = try beginning.document() else {
                throw CommandFailure.refused("the service at \(service.fleet.service) has no CA keys: update musterd")
            }
            let publication = SSHTrustPublication(service: service, context: context)
            try await publication.publish(trust, view, keys: policyKey, passphrase: passphrase)
            context.terminal.note("next: muster ssh HOST")
        }
    }
}
