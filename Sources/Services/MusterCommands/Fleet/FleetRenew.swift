import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterSystem
import TUF

struct FleetRenew: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Sign root and targets again before or after they expire; keys and roles stay.",
        discussion: """
            Shows what changes, signs with the root keys at hand, and publishes; where more root keys must sign, writes staged
            files for 'muster fleet sign'. After a stolen service, --rotate-service-keys names the keys of the new one.
            """
    )

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var rootKey: [String] = []

    @Option(help: "Days until they must be renewed again.") var expiresDays = 365

    @Flag(help: "Trust the keys that the service has now, in place of those of the service before.")
    var rotateServiceKeys = false

    @Flag(help: "Do not ask whether the service's keys are the right ones.") var yes = false

    @OptionGroup var passphrase: PassphraseOptions

    func validate() throws {
        guard (1...3650).contains(expiresDays) else { throw ValidationError("--expires-days is not within 1 to 3650") }
    }

    func run(_ context: CommandContext) async throws {
        try await context.withService { service in
            let fleet = try await FleetMetadata.fetched(context, service.client)
            let replacement = try await replacement(service, context)
            let staged = try FleetMetadata.roles.map { role in
                try next(role, fleet, replacement, service, context)
            }
            let publication = FleetPublication(context: context)
            let signed = try await publication.sign(
                staged,
                fleet,
                keys: rootKey,
                allowChange: rotateServiceKeys,
                passphrase: passphrase,
                confirming: rotateServiceKeys && !yes ? "are these the keys of your own service?" : nil
            )
            // Kept until both are published: what went wrong in between is finished with 'muster fleet publish'.
            for (path, metadata) in signed { try metadata.write(to: path) }
            guard try publication.isComplete(signed, fleet) else { return try publication.report(signed, fleet) }
            try await publication.publish(signed, fleet, allowChange: rotateServiceKeys, service)
        }
    }

    private func next(
        _ role: String,
        _ fleet: FleetMetadata,
        _ replacement: ServiceKeyReplacement?,
        _ service: ServiceConnection,
        _ context: CommandContext
    ) throws -> FleetPublication.Staged {
        let current = try fleet.current(role)
        guard case .object(var signed) = current.signed else {
            throw CommandFailure.refused("\(role) metadata makes no sense")
        }
        let version = try FleetMetadata.version(current) + 1
        let expires = context.now().adding(seconds: Int64(expiresDays) * 86400).wholeSeconds
        if let replacement { signed = replacement.applied(to: signed, role: role) }
        signed["version"] = .integer(version)
        signed["expires"] = .string("\(expires)")
        let path = "\(context.folder.staged)/\(role)-\(version).json"
        guard !Directory.exists(path) else {
            throw CommandFailure.refused("\(path) is there already: publish it first, or remove it")
        }
        let metadata = StagedMetadata(
            fleet: service.fleet.fleet,
            role: role,
            envelope: try SignedEnvelope(signed: .object(signed)),
            document: nil
        )
        return (path, metadata)
    }

    /// The keys of the service as it is now, shown to be compared.
    private func replacement(
        _ service: ServiceConnection,
        _ context: CommandContext
    ) async throws -> ServiceKeyReplacement? {
        guard rotateServiceKeys else { return nil }
        let description = try await service.client.serviceDescription()
        guard description.fleet == service.fleet.fleet else {
            throw CommandFailure.refused("\(service.fleet.service) does not serve fleet \(service.fleet.fleet)")
        }
        let keys = description.keys
        context.terminal.line(StyledText("keys of \(service.fleet.service):", .bold))
        for (name, key) in [
            ("snapshot", keys.snapshot), ("timestamp", keys.timestamp), ("manifest", keys.manifest),
            ("revocations", keys.revocations),
        ] { context.terminal.line("  \(name) \(Hex.encode(key))") }
        return ServiceKeyReplacement(keys: keys)
    }
}
