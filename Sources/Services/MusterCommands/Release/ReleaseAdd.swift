import ArgumentParser
import ByteCoding
import CanonicalJSON
import MusterModel
import MusterSystem
import PackageInstaller
import TUF

struct ReleaseAdd: ContextCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Inspect package files, sign them as releases, publish them.",
        discussion: """
            A file is a Debian package (or a set of them, see 'muster release bundle'), an rpm, or a tarball of one folder
            whose name is NAME-VERSION or NAME-VERSION.linux-ARCHITECTURE; its first bytes tell which. Name, version and
            architecture are read from each file itself; a file that disagrees with its name, is damaged, or changes what was
            released under the same version is refused. Where more signatures are needed, a staged file is written for the
            other release managers ('muster release sign').
            """
    )

    @Argument(help: ArgumentHelp("Debian packages, rpms and versioned tarballs.", valueName: "file"))
    var files: [String]

    @Flag(help: "The release closes a security hole: shown loudly everywhere.") var security = false

    @Option(help: "One line for people.") var notes = ""

    @Option(help: ArgumentHelp("Health checks as JSON: one, or an array of them.", valueName: "file.json"))
    var health: String?

    @Option(
        help: ArgumentHelp(
            "A program and its arguments that must exit with 0 after the installation.",
            valueName: "command"
        )
    )
    var healthCommand: [String] = []

    @Option(
        help: ArgumentHelp(
            "A released version that nodes with an older one must have first, such as one that converts their data.",
            valueName: "version"
        )
    )
    var floor: String?

    @Option(
        help: ArgumentHelp(
            "A systemd unit to restart after the installation where the package does not do so itself; may be repeated.",
            valueName: "unit"
        )
    )
    var restart: [String] = []

    @Option(help: ArgumentHelp("Sign with this sealed key, or this .pub in the ssh-agent.", valueName: "file"))
    var releaseKey: [String] = []

    @Option(help: "Days until the list of releases must be renewed.") var expiresDays = 365

    @OptionGroup var passphrase: PassphraseOptions

    /// What is said of all the files at once.
    struct Details: Sendable {
        let security: Bool
        let notes: String
        let checks: [HealthCheck]
        let floor: String?
        let restart: [String]
        let time: UTCTime
    }

    func validate() throws {
        guard !files.isEmpty else { throw ValidationError("name at least one package file") }
        guard notes.utf8.count <= 1024 else { throw ValidationError("--notes is longer than 1024 bytes") }
        guard restart.count <= 16 else { throw ValidationError("a release restarts at most 16 units") }
        for unit in restart where !ReleaseDescription.isUnit(unit) {
            throw ValidationError("--restart \(unit) is not the name of a unit, such as nginx.service")
        }
        guard (1...3650).contains(expiresDays) else { throw ValidationError("--expires-days is not within 1 to 3650") }
    }

    func run(_ context: CommandContext) async throws {
        let details = Details(
            security: security,
            notes: notes,
            checks: try HealthCheckArguments.read(file: health, commands: healthCommand),
            floor: floor,
            restart: restart,
            time: context.now().wholeSeconds
        )
        let candidates = try files.map(ReleaseCandidate.inspect)
        for candidate in candidates {
            for line in candidate.lines { context.terminal.line(line) }
        }
        try await context.withService { service in
            let view = try await TrustedView.refresh(context, service.client)
            let (staged, added) = try stage(candidates, details, view, service.fleet.fleet, context)
            let publication = Publication(role: "releases", service: service, context: context)
            let signed = try await publication.sign(staged, keys: releaseKey, passphrase: passphrase)
            try await publication.publishOrStage(signed, files: added)
        }
    }

    /// The metadata with the new files beside all the old ones.
    private func stage(
        _ candidates: [ReleaseCandidate],
        _ details: Details,
        _ view: TrustedView,
        _ fleet: FleetID,
        _ context: CommandContext
    ) throws -> (staged: StagedMetadata, added: [Publication.File]) {
        let current = try view.newest("releases")
        var all = current.files
        var added: [Publication.File] = []
        for candidate in candidates {
            let history = ReleaseHistory(all)
            if let floor { try history.check(floor: floor, of: candidate.package.identity) }
            let file = candidate.file(counter: try history.counter(for: candidate), details)
            if let newer = history.newer(than: candidate.package.identity) {
                context.terminal.note("note: \(newer) is released already and newer than \(candidate.package.identity)")
            }
            all.append(file)
            added.append(Publication.File(target: file, path: candidate.path))
        }
        let expires = context.now().adding(seconds: Int64(expiresDays) * 86400).wholeSeconds
        let targets = try Targets(version: current.version + 1, expires: expires, targets: all)
        let envelope = try SignedEnvelope(signed: targets.json)
        return (StagedMetadata(fleet: fleet, role: "releases", envelope: envelope, document: nil), added)
    }
}
