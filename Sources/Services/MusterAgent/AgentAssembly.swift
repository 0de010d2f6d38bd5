import Logging
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem
import PackageInstaller
import SignatureVerification
import TUFClient

/// Puts an agent together out of its parts, as they are in use.
public struct AgentAssembly: Sendable {
    /// Where the node keeps its files.
    public var paths: AgentPaths
    /// What the node's owner decided.
    public var configuration: AgentConfiguration
    /// How patient it is.
    public var limits = Agent.Limits()
    /// How patient its upgrades are.
    public var upgradeLimits = UpgradeLimits()
    /// How runs are carried out.
    public var runLimits = RunLimits()
    /// Where it writes what it does.
    public var logger: Logger
    /// Called after each step of a rotation of the node's key.
    public var keyObserver: KeyObserver = { _ in }

    /// An agent with these files.
    public init(paths: AgentPaths, configuration: AgentConfiguration, logger: Logger) {
        self.paths = paths
        self.configuration = configuration
        self.logger = logger
        upgradeLimits.confirmSeconds = Int64(configuration.confirmSeconds)
        upgradeLimits.secondNodeSeconds = configuration.secondNodeSeconds.map { Int64($0) }
    }

    /// The agent of a node that has joined; `transport` is the caller's to close.
    public func agent(_ enrollment: Enrollment, transport: HTTPTransport) async throws -> Agent {
        guard let address = ServiceAddress(enrollment.service) else {
            throw EnrollmentError("the service address \(enrollment.service) is malformed; enroll the node again")
        }
        let clock = AgentClock.system
        let keys = try NodeKeys(paths, logger: logger, observer: keyObserver)
        let state = try NodeState(paths, enrollment: enrollment)
        let sources = PackageSources(root: configuration.root)
        let service = RemoteFleetService(
            client: MusterClient(service: address, transport: transport),
            enrollment: enrollment,
            keys: keys,
            clock: clock,
            logger: logger
        )
        let keeper = KeyKeeper(state: state, service: service, clock: clock, logger: logger)
        let releases = ReleaseNames()
        let source = trustSource(enrollment.fleet, address, transport)
        let ssh = await upkeep(enrollment, state, source, service, clock)
        let trust = NodeTrust(
            source: source,
            fleet: enrollment.fleet,
            node: enrollment.node,
            architecture: try await sources.architecture(),
            releases: releases,
            clock: clock,
            logger: logger
        ) { trust in
            await state.setTrusted(timestamp: trust.timestampVersion, policy: trust.policyVersion)
            await ssh?.take(trust)
        }
        let runs = try NodeRuns(
            state: state,
            enrollment: enrollment,
            authority: trust,
            service: service,
            secrets: { sealed, purpose in
                keys.candidates.lazy.compactMap { SealedSecret.open(sealed, with: $0, for: purpose) }.first
            },
            clock: clock,
            limits: runLimits,
            logger: logger
        )
        let metrics = NodeMetrics(configuration.metrics, logger: logger)
        let visitor = configuration.reachesOthers ? Visitor(clock: clock, logger: logger) : nil
        let secondNode = SecondNode(service: service, host: address.host, port: address.port, clock: clock)
        let pace = ReportPace(seconds: configuration.reportSeconds)
        let reporter = Reporter(
            state: state,
            sources: sources,
            service: service,
            releases: releases,
            configuration: configuration,
            pace: pace,
            keeper: keeper,
            ssh: ssh,
            metrics: metrics
        )
        let packages = HTTPPackageSource(service: address, transport: transport)
        let runner = UpgradeRunner(
            state: state,
            sources: sources,
            download: PackageDownload(paths: paths, source: packages, clock: clock),
            authority: trust,
            health: HealthChecker(root: configuration.root, transport: transport, clock: clock),
            reporting: reporter,
            service: service,
            runs: runs,
            checks: configuration.checks,
            selfUpgrade: SelfUpgrade(paths, root: configuration.root, options: configuration.upgrade, logger: logger),
            secondNode: secondNode,
            visitor: visitor,
            pins: configuration.pins,
            restarts: configuration.root == "/" ? UnitRestarts(Systemd()) : nil,
            clock: clock,
            limits: upgradeLimits,
            logger: logger
        )
        return Agent(
            state: state,
            service: service,
            authority: trust,
            runner: runner,
            reporter: reporter,
            pace: pace,
            keeper: keeper,
            ssh: ssh,
            runs: runs,
            metrics: metrics,
            visitor: visitor,
            pins: configuration.pins,
            clock: clock,
            limits: limits,
            logger: logger
        )
    }

    /// The node's SSH side, where its owner lets the agent have one.
    private func upkeep(
        _ enrollment: Enrollment,
        _ state: NodeState,
        _ source: FleetTrustSource,
        _ certificates: any HostCertificateSource,
        _ clock: AgentClock
    ) async -> SSHUpkeep? {
        guard configuration.managesSSH else { return nil }
        let ssh = SSHUpkeep(
            paths: paths,
            options: configuration.ssh,
            enrollment: enrollment,
            state: state,
            source: source,
            certificates: certificates,
            clock: clock,
            logger: logger
        )
        await state.observeTags { ssh.wake() }
        return ssh
    }

    private func trustSource(
        _ fleet: FleetID,
        _ address: ServiceAddress,
        _ transport: HTTPTransport
    ) -> FleetTrustSource {
        let metadata = TransportFetcher(service: address, transport: transport, folder: "/tuf/metadata/")
        let targets = TransportFetcher(service: address, transport: transport, folder: "/tuf/targets/")
        let client = TUFClient(
            directory: MetadataDirectory(paths.metadata),
            fetcher: metadata,
            pinnedRoot: firstRoot(fleet),
            limits: FleetTrustSource.limits
        )
        return FleetTrustSource(client: client, targets: targets)
    }

    /// The first root as it was kept, if it still is the one that the fleet's id names.
    private func firstRoot(_ fleet: FleetID) -> [UInt8]? {
        guard let root = try? BoundedFile.read(paths.firstRoot, limit: 512_000),
            FleetID(digest: Digest.sha256(root)) == fleet
        else { return nil }
        return root
    }
}
