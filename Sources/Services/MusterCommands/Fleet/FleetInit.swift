import ArgumentParser
import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSigners
import MusterSystem
import OpenSSHFormats
import SignatureVerification

struct FleetInit: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a fleet: its offline keys, its root, its first policy.",
        discussion: """
            Asks the service for its public keys, checks them against the set-up token of 'musterd serve' (printed at its first
            start, and in the file setup-token of its state folder; under systemd only there), makes sealed root, release and
            policy keys in the configuration folder, signs the fleet's first metadata and sends them. Existing keys are never
            overwritten. Thresholds of 2 of 3 need more than one person to be broken.
            """
    )

    @Option(help: ArgumentHelp("Where the fleet service is.", valueName: "url"))
    var service: String

    @Option(help: ArgumentHelp("Read the set-up token from this file.", valueName: "file"))
    var setupTokenFile: String?

    @Option(help: ArgumentHelp("Read the set-up token from this open file descriptor.", valueName: "n"))
    var setupTokenFd: Int32?

    @Option(
        name: .customLong("operator"),
        help: ArgumentHelp("Your name in the policy (default: $USER).", valueName: "name")
    )
    var operatorName: NameArgument<OperatorName>?

    @Option(help: ArgumentHelp("Your SSH public key (default: ~/.ssh/id_ed25519.pub).", valueName: "file.pub"))
    var operatorKey: String?

    @Option(help: "How many root keys to make.") var rootKeys = 1
    @Option(help: "How many root keys must sign.") var rootThreshold: Int?
    @Option(help: "How many release keys to make.") var releaseKeys = 1
    @Option(help: "How many release keys must sign.") var releaseThreshold: Int?
    @Option(help: "How many policy keys to make.") var policyKeys = 1
    @Option(help: "How many policy keys must sign.") var policyThreshold: Int?

    @Option(help: ArgumentHelp("The first policy (default: you may do everything).", valueName: "file.yaml"))
    var policy: String?

    @Option(help: "Days until the signed metadata must be renewed.") var expiresDays = 365

    @Option(help: "Days until the SSH certificate authorities must be replaced.") var sshCaDays = 365

    @Option(help: ArgumentHelp("PEM file of certificate authorities to believe.", valueName: "file"))
    var caFile: String?

    @OptionGroup var passphrase: PassphraseOptions

    func validate() throws {
        for (what, count, threshold) in [
            ("root", rootKeys, rootThreshold), ("release", releaseKeys, releaseThreshold),
            ("policy", policyKeys, policyThreshold),
        ] {
            guard (1...16).contains(count) else { throw ValidationError("--\(what)-keys is not within 1 to 16") }
            guard (1...count).contains(threshold ?? 1) else {
                throw ValidationError("--\(what)-threshold is not within 1 to \(count), the number of keys")
            }
        }
        guard (1...3650).contains(expiresDays) else { throw ValidationError("--expires-days is not within 1 to 3650") }
        guard (1...3650).contains(sshCaDays) else { throw ValidationError("--ssh-ca-days is not within 1 to 3650") }
    }

    func run(_ context: CommandContext) async throws {
        let folder = context.folder
        for path in [folder.fleetFile, folder.keys, folder.pinnedRootFile] where Directory.exists(path) {
            throw CommandFailure.refused("\(path) is there already: nothing of an existing fleet is overwritten")
        }
        let identity = try ownIdentity(context)
        let key = try OperatorKey.publicKey(identity.publicKeyFile)
        let token = try setupToken(context)
        try await context.withClient(service: service, authorities: caFile) { client in
            let description = try await description(client, token)
            let (text, document) = try firstPolicy(identity, key, context)
            let passphrase = try passphrase.chosen(context.terminal)
            try await make(client, token, description, identity, text, document, passphrase, context)
        }
    }

    /// The keys of the service, which must be those that the token speaks of.
    private func description(_ client: MusterClient, _ token: SetupToken) async throws -> ServiceDescription {
        let description = try await client.serviceDescription()
        if let fleet = description.fleet {
            throw CommandFailure.refused("\(service) serves fleet \(fleet) already: join it with 'muster fleet join'")
        }
        guard ConstantTime.equal(Digest.sha256(description.keys.json.canonicalBytes), token.keysDigest) else {
            throw CommandFailure.refused(
                "the keys of \(service) are not those of the service that printed the set-up token: do not go on"
            )
        }
        return description
    }

    private func make(
        _ client: MusterClient,
        _ token: SetupToken,
        _ description: ServiceDescription,
        _ identity: OperatorConfiguration,
        _ policyText: String,
        _ document: [UInt8],
        _ passphrase: Passphrase,
        _ context: CommandContext
    ) async throws {
        let ceremony = FleetCeremony(
            root: group(rootKeys, rootThreshold),
            release: group(releaseKeys, releaseThreshold),
            policy: group(policyKeys, policyThreshold),
            service: description.keys,
            time: context.now(),
            expiresDays: expiresDays,
            authorityDays: sshCaDays
        )
        let beginning = try ceremony.begin(policyDocument: document)
        guard let fleet = beginning.fleet else { throw CommandFailure.refused("cannot name the fleet") }
        let files = NewFleetFiles(context)
        do {
            try files.write(ceremony, passphrase)
            try files.write(
                FleetConfiguration(service: service, fleet: fleet, authorities: caFile),
                identity,
                root: beginning.root,
                policy: policyText
            )
            try await client.makeFleet(
                FleetUpload(
                    setupToken: token.line,
                    root: beginning.root,
                    targets: beginning.targets,
                    releases: beginning.releases,
                    policy: beginning.policy,
                    policyDocument: beginning.policyDocument,
                    sshTrust: beginning.sshTrust
                )
            )
        } catch let error as ClientError where error.status != nil {
            // The service said no, so there is no fleet and these keys are nobody's.
            files.remove()
            throw error
        }
        report(fleet, ceremony, context)
    }

    private func group(_ count: Int, _ threshold: Int?) -> FleetCeremony.Group {
        FleetCeremony.Group(
            keys: (0..<count).map { _ in Ed25519SecretKey.generate() },
            threshold: threshold ?? (count / 2 + 1)
        )
    }

    private func report(_ fleet: FleetID, _ ceremony: FleetCeremony, _ context: CommandContext) {
        let terminal = context.terminal
        terminal.line(StyledText("fleet \(fleet)", .bold))
        for (name, group) in [
            ("root", ceremony.root), ("release", ceremony.release), ("policy", ceremony.policy),
        ] {
            terminal.line("\(name): \(group.threshold) of \(group.keys.count) keys must sign")
        }
        terminal.line("sealed keys are in \(context.folder.keys)")
        terminal.line("the policy is in \(context.folder.policyFile): edit it, then 'muster policy publish'")
        terminal.note("copy the keys to offline media, above all root-*.key, and take the root keys off this machine")
        terminal.note("next: muster enroll token --tag NAME")
    }

    private func ownIdentity(_ context: CommandContext) throws -> OperatorConfiguration {
        try OperatorConfiguration.chosen(name: operatorName?.name, key: operatorKey, context)
    }

    private func firstPolicy(
        _ identity: OperatorConfiguration,
        _ key: SSHPublicKey,
        _ context: CommandContext
    ) throws -> (text: String, document: [UInt8]) {
        let expires = context.now().adding(seconds: Int64(expiresDays) * 86400).wholeSeconds
        let source: PolicySource
        if let policy {
            source = try PolicySource(file: policy)
        } else {
            source = PolicySource(text: PolicySource.firstText(identity.name, key, expires), file: "fleet-policy.yaml")
        }
        let compiled = try source.compile(version: 1, issued: context.now().wholeSeconds, expires: expires)
        return (source.text, compiled.document)
    }

    private func setupToken(_ context: CommandContext) throws -> SetupToken {
        var line: [UInt8]
        if let setupTokenFile {
            line = try BoundedFile.read(setupTokenFile, limit: 4096)
        } else if let setupTokenFd {
            line = [UInt8](repeating: 0, count: 4096)
            let count = line.withUnsafeMutableBytes { read(setupTokenFd, $0.baseAddress, $0.count) }
            line.removeLast(line.count - max(0, count))
        } else {
            line = try context.terminal.askSecret(
                "set-up token of 'musterd serve'",
                instead: "--setup-token-file or --setup-token-fd"
            )
        }
        guard let token = SetupToken(line: String(decoding: line, as: UTF8.self)) else {
            throw CommandFailure.usage("this is no set-up token; it looks like muster-setup1.….…")
        }
        return token
    }
}
