import ByteCoding
import Logging
import MusterAgent
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem
import PackageInstaller
import TUFClient

/// A node made of files alone: the service, the repository and the package root are folders, the dpkg is the real one.
///
/// ```
/// FOLDER/state       the node's own
/// FOLDER/root        its packages
/// FOLDER/service     what the service hands out and got
/// FOLDER/repository  metadata and targets
/// ```
public struct TestAgent: Sendable {
    /// Everything below here.
    public let folder: String
    /// The node's state.
    public let state: NodeState
    /// The agent.
    public let agent: Agent
    /// Its runs.
    public let runs: NodeRuns
    /// The package manager.
    public let installer: DpkgInstaller

    /// The node's id in every test.
    public static var node: NodeID {
        guard let id = NodeID("node-1") else { preconditionFailure("the id is well-formed") }
        return id
    }

    /// The files of the node.
    public static func paths(_ folder: String) -> AgentPaths { AgentPaths(folder + "/state") }
    /// The service's side.
    public static func service(_ folder: String) -> FolderService { FolderService(folder + "/service") }
    /// The repository's side.
    public static func repository(_ folder: String) -> FolderRepository { FolderRepository(folder + "/repository") }
    /// The root of the packages.
    public static func root(_ folder: String) -> String { folder + "/root" }
    /// While this file is there, the repository cannot be reached.
    public static func outage(_ folder: String) -> String { folder + "/outage" }

    /// Makes the folders of a node that has just joined.
    public static func enroll(_ folder: String, fleet: FleetID, statement: SignedStatement, root: [UInt8]) throws {
        for name in ["service", "repository", "root"] { try Directory.create("\(folder)/\(name)", mode: 0o755) }
        let paths = paths(folder)
        try paths.create()
        try Enrollment(service: "http://127.0.0.1:1", fleet: fleet, node: node, name: "node", statement: statement)
            .store(paths)
        try Directory.create(paths.metadata)
        try AtomicFile.write(root, to: paths.metadata + "/root.json")
    }

    /// The agent of the node in that folder, impatient.
    ///
    /// `service`, `clock` and `wait`, the seconds that the service may hold a question for a manifest, are others where a test
    /// says so; `trusted` learns of each look at the repository.
    public init(
        _ folder: String,
        transport: HTTPTransport,
        installer: DpkgInstaller? = nil,
        limits: UpgradeLimits? = nil,
        source: (any PackageSource)? = nil,
        service other: (any FleetService)? = nil,
        wait: Int = 0,
        clock: AgentClock = .system,
        supervisor: String = "/proc/self/exe",
        key: Ed25519SecretKey? = nil,
        configuration changed: AgentConfiguration = AgentConfiguration(),
        secondNode: (any SecondNodeWaiting)? = nil,
        visitor: Visitor? = nil,
        observer: @escaping JournalObserver = { _ in },
        runObserver: @escaping RunObserver = { _ in },
        trusted: @escaping @Sendable (FleetTrust) async -> Void = { _ in },
        changeRunLimits: (inout RunLimits) -> Void = { _ in }
    ) async throws {
        self.folder = folder
        let paths = Self.paths(folder)
        guard let enrollment = try Enrollment.load(paths) else { throw EnrollmentError("not enrolled") }
        var impatient = UpgradeLimits()
        impatient.retry = Backoff.Policy(attempts: 2, first: 10, longest: 50)
        impatient.putBack = Backoff.Policy(attempts: nil, first: 50, longest: 500)
        impatient.manifestWait = 0
        impatient.manifestPause = 50
        impatient.confirmSeconds = 2
        impatient.confirmPause = 100
        impatient.holdPause = 50
        let logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
        let state = try NodeState(paths, enrollment: enrollment, observer: observer)
        let installer = installer ?? DpkgInstaller(root: Self.root(folder))
        let sources = PackageSources([
            .deb: installer, .rpm: RPMInstaller(root: Self.root(folder)),
            .tar: TarballInstaller(root: Self.root(folder)),
        ])
        let service = other ?? Self.service(folder)
        let outage = Self.outage(folder)
        let repository = FolderRepository(folder + "/repository", outage: outage)
        let tuf = TUFClient(
            directory: MetadataDirectory(paths.metadata),
            fetcher: FolderRepository(folder + "/repository/metadata", outage: outage)
        )
        let releases = ReleaseNames()
        let trust = NodeTrust(
            source: FleetTrustSource(
                client: tuf,
                targets: FolderRepository(folder + "/repository/targets", outage: outage)
            ),
            fleet: enrollment.fleet,
            node: enrollment.node,
            architecture: "amd64",
            releases: releases,
            clock: clock,
            logger: logger,
            observer: trusted
        )
        var configuration = changed
        configuration.root = Self.root(folder)
        impatient.secondNodeSeconds = configuration.secondNodeSeconds.map { Int64($0) }
        let metrics = NodeMetrics(configuration.metrics, logger: logger)
        let pace = ReportPace(seconds: 60)
        let reporter = Reporter(
            state: state,
            sources: sources,
            service: service,
            releases: releases,
            configuration: configuration,
            pace: pace,
            metrics: metrics
        )
        var runLimits = RunLimits()
        runLimits.retry = Backoff.Policy(attempts: nil, first: 50, longest: 200)
        runLimits.tick = 20
        changeRunLimits(&runLimits)
        runs = try NodeRuns(
            state: state,
            enrollment: enrollment,
            authority: trust,
            service: Self.service(folder),
            secrets: { sealed, purpose in key.flatMap { SealedSecret.open(sealed, with: $0, for: purpose) } },
            launcher: SupervisorLauncher(program: supervisor),
            clock: clock,
            limits: runLimits,
            logger: logger,
            observer: runObserver
        )
        let runner = UpgradeRunner(
            state: state,
            sources: sources,
            download: PackageDownload(paths: paths, source: source ?? repository, clock: clock),
            authority: trust,
            health: HealthChecker(root: Self.root(folder), transport: transport, clock: clock),
            reporting: reporter,
            service: service,
            runs: runs,
            checks: configuration.checks,
            secondNode: secondNode,
            visitor: visitor,
            pins: configuration.pins,
            clock: clock,
            limits: limits ?? impatient,
            logger: logger
        )
        var agentLimits = Agent.Limits()
        agentLimits.wait = wait
        self.state = state
        self.installer = installer
        agent = Agent(
            state: state,
            service: service,
            authority: trust,
            runner: runner,
            reporter: reporter,
            pace: pace,
            runs: runs,
            metrics: metrics,
            visitor: visitor,
            pins: configuration.pins,
            clock: clock,
            limits: agentLimits,
            logger: logger
        )
    }
}
