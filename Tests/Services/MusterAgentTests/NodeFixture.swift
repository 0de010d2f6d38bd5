import AgentTestSupport
import ByteCoding
import Glibc
import MusterAPI
import MusterAgent
import MusterClient
import MusterModel
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// A fleet with one node, everything on disk in a folder of its own.
final class NodeFixture {
    let folder: TemporaryFolder
    let transport: HTTPTransport
    var fleet: FleetSimulator
    private var sequence: Int64 = 0
    private var counter: Int64 = 0

    init() throws {
        folder = try TemporaryFolder()
        transport = try HTTPTransport()
        fleet = try FleetSimulator(time: WallClock.now())
        let secret = [UInt8](repeating: 7, count: 32)
        let statement = try fleet.statement(
            .enroll(EnrollBody(tags: [try Self.tag("web")], proof: .secret(sha256: secret, uses: 1))),
            seed: "enroll",
            issued: fleet.time.adding(seconds: -60)
        )
        let root = try #require(fleet.files["metadata/1.root.json"])
        try TestAgent.enroll(folder.path, fleet: fleet.fleet, statement: statement, root: root)
        try serve()
    }

    static func tag(_ name: String) throws -> MusterModel.Tag {
        guard let tag = MusterModel.Tag(name) else { throw EnrollmentError("'\(name)' is no tag") }
        return tag
    }

    /// Whether this machine lets us mount in a private namespace.
    static func mayMount() async -> Bool {
        guard geteuid() == 0 else { return false }
        let words = ["--mount", "/bin/mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return (try? await Command("/usr/bin/unshare", words).run(timeout: .seconds(180)).succeeded) == true
    }

    /// Writes what the fleet serves at present.
    func serve() throws {
        try TestAgent.repository(folder.path).write(fleet.files)
    }

    /// Adds a package as a release and returns its target path.
    @discardableResult
    func release(
        _ package: TestPackage,
        checks: [HealthCheck] = [],
        signedAs other: (name: String, version: String, architecture: String)? = nil,
        bytes: [UInt8]? = nil
    ) async throws -> String {
        counter += 1
        let path = "releases/\(package.fileName)"
        let description = ReleaseDescription(
            package: other?.name ?? package.name,
            version: other?.version ?? package.version,
            architecture: other?.architecture ?? package.architecture,
            counter: counter,
            security: false,
            released: fleet.time,
            healthChecks: checks,
            notes: ""
        )
        let built: [UInt8]
        if let bytes { built = bytes } else { built = try await package.build() }
        fleet.add(path, built, description)
        try fleet.publishReleases()
        try serve()
        return path
    }

    /// Lets the service assign the release at `path`, by a statement that `ada` signed.
    @discardableResult
    func assign(_ path: String, seed: String, rollBack: Bool = false) throws -> RolloutID {
        let body = try fleet.upgrade(to: path)
        let statement = try fleet.statement(rollBack ? .rollBack(body) : .upgrade(body), seed: seed)
        try offer([fleet.assignment(path, statement)])
        return statement.statement.id
    }

    /// Lets the service hand out a manifest with these runs, and no assignments.
    func offer(runs: [SignedStatement], cancelled: [RunID] = []) throws {
        sequence += 1
        let envelope = try fleet.manifest(for: TestAgent.node, sequence: sequence, runs: runs, cancelled: cancelled)
        try TestAgent.service(folder.path).offer(envelope, sequence: sequence)
    }

    /// Lets the service hand out a manifest with these assignments.
    func offer(
        _ assignments: [UpdateManifest.Assignment] = [],
        tags: [SignedStatement] = [],
        reach: [ReachTask] = []
    ) throws {
        sequence += 1
        let envelope = try fleet.manifest(
            for: TestAgent.node,
            sequence: sequence,
            assignments,
            tags: tags,
            reach: reach
        )
        try TestAgent.service(folder.path).offer(envelope, sequence: sequence)
    }

    /// The node's agent, started anew from what is on the disk.
    func agent(
        installer: DpkgInstaller? = nil,
        limits: UpgradeLimits? = nil,
        source: (any PackageSource)? = nil,
        observer: @escaping JournalObserver = { _ in }
    ) async throws -> TestAgent {
        try await TestAgent(
            folder.path,
            transport: transport,
            installer: installer,
            limits: limits,
            source: source,
            observer: observer
        )
    }

    /// Does one turn with a newly started agent; nil when it went well.
    @discardableResult
    func turn() async throws -> String? {
        try await agent().agent.turn()
    }

    /// The last word of the node about a rollout, as the service has it.
    func outcome(_ rollout: RolloutID) throws -> NodeProgress? {
        try TestAgent.service(folder.path).reports().last?.progress.last { $0.rollout == rollout }
    }

    func installed(_ package: String = "probe") async throws -> PackageState {
        try await DpkgInstaller(root: TestAgent.root(folder.path)).state(of: package)
    }

    /// The content of the package's one file.
    func content(_ package: String = "probe") throws -> String? {
        let path = TestAgent.root(folder.path) + "/usr/share/\(package)/version"
        return try BoundedFile.readIfPresent(path, limit: 100).map { String(decoding: $0, as: UTF8.self) }
    }

    func close() async {
        await transport.close()
    }
}

/// Runs a test with a fixture that is closed afterwards.
func withNode(_ body: (NodeFixture) async throws -> Void) async throws {
    let fixture = try NodeFixture()
    do {
        try await body(fixture)
    } catch {
        await fixture.close()
        throw error
    }
    await fixture.close()
}
