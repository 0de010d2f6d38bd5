import AgentTestSupport
import ByteCoding
import CanonicalJSON
import Glibc
import Logging
import MusterAPI
import MusterAgent
import MusterModel
import MusterPolicy
import MusterSystem
import MusterTestSupport
import OpenSSHFormats
import Synchronization
import TUFClient

/// A node with a real sshd, looked after by the agent's own code, in a fleet whose every document was signed by hand.
///
/// The policy lets `ada` log in as root on nodes with the tag `web`, which the node has, and `ben` with an approval.
final class SSHNode: Sendable {
    struct State {
        var fleet: FleetSimulator
        var serial: UInt64 = 100
        var statements = 0
    }

    static let id = TestAgent.node
    let folder: TemporaryFolder
    let sshd: SSHDFixture
    let upkeep: SSHUpkeep
    let state: Mutex<State>
    let memory: NodeState
    let authority: TestHostAuthority
    private let source: FleetTrustSource

    /// A node whose sshd knows nothing of the fleet yet; `configure` changes how the agent looks after it.
    init(lines: [String] = [], configure: (inout SSHOptions) -> Void = { _ in }) async throws {
        folder = try TemporaryFolder()
        // The principals command runs as nobody, who must be able to pass.
        chmod(folder.path, 0o711)
        sshd = try await SSHDFixture(in: folder.file("sshd"), lines: lines)
        var fleet = try FleetSimulator(time: WallClock.now())
        try fleet.trustSSH()
        try fleet.allowNoLogins()
        try fleet.allow([
            "name": "logins", "allow": ["ssh-certificate"], "who": ["ada"], "nodes": ["tag:web"],
            "users": [.string(SSHDFixture.user)], "max_seconds": 3600,
        ])
        try fleet.allow([
            "name": "approved logins", "allow": ["ssh-certificate"], "who": ["ben"], "nodes": ["*"],
            "users": ["*"], "approvals": ["count": 1, "from": ["group:leads"]],
        ])
        try fleet.define("greet", Self.command(["/bin/echo", "welcome {name}"]))
        try fleet.define("environment", Self.command(["/usr/bin/env"]))
        try fleet.define("shell", Self.command(["/bin/sh"]))
        try fleet.allow([
            "name": "runs", "allow": ["run"], "who": ["ada"], "nodes": ["tag:web"], "commands": ["*"],
        ])
        try fleet.allow([
            "name": "approved runs", "allow": ["run"], "who": ["ben"], "nodes": ["*"], "commands": ["greet"],
            "approvals": ["count": 1, "from": ["group:leads"]],
        ])
        try fleet.publishPolicy()
        guard let tag = MusterModel.Tag("web"), let root = fleet.files["metadata/1.root.json"] else {
            throw FleetSimulator.Failure.impossible
        }
        let proof = EnrollBody.Proof.secret(sha256: [UInt8](repeating: 7, count: 32), uses: 1)
        let statement = try fleet.statement(
            .enroll(EnrollBody(tags: [tag], proof: proof)),
            seed: "enroll",
            issued: fleet.time.adding(seconds: -60)
        )
        try TestAgent.enroll(folder.path, fleet: fleet.fleet, statement: statement, root: root)
        let paths = TestAgent.paths(folder.path)
        guard let enrollment = try Enrollment.load(paths) else { throw FleetSimulator.Failure.impossible }
        memory = try NodeState(paths, enrollment: enrollment)
        let repository = folder.file("repository")
        source = FleetTrustSource(
            client: TUFClient(
                directory: MetadataDirectory(paths.metadata),
                fetcher: FolderRepository(repository + "/metadata")
            ),
            targets: FolderRepository(repository + "/targets")
        )
        var options = SSHOptions()
        options.configuration = sshd.configuration
        options.log = sshd.logFile
        options.principalsProgram = try BuiltProgram("muster-agent").path
        options.checkSeconds = 1
        // Where the tests' own folder is closed to others, as under packaging/test, nobody could not pass.
        let program = try BuiltProgram("muster-agent").path
        if !Self.isOpen(folder.path) || !Self.isOpen(program) { options.principalsUser = SSHDFixture.user }
        configure(&options)
        authority = TestHostAuthority()
        upkeep = SSHUpkeep(
            paths: paths,
            options: options,
            enrollment: enrollment,
            state: memory,
            source: source,
            certificates: authority,
            clock: .system,
            logger: Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
        )
        state = Mutex(State(fleet: fleet))
    }

    /// A command that runs as the account that tests log in to.
    static func command(_ argv: [JSONValue]) -> JSONValue {
        var definition: JSONObject = ["argv": .array(argv), "user": .string(SSHDFixture.user)]
        if argv.count > 1 {
            definition["parameters"] = ["name": ["type": "text", "pattern": "[a-z ]+", "default": ["all"]]]
        }
        return .object(definition)
    }

    /// Whether everybody may pass all folders above the path, and it.
    private static func isOpen(_ path: String) -> Bool {
        var place = path
        var status = stat()
        while stat(place, &status) == 0, status.st_mode & 0o001 != 0 {
            if place == "/" { return true }
            place = Directory.parent(of: place)
        }
        return false
    }

    /// Changes the fleet's documents and has the agent take them in.
    func publish(_ change: (inout FleetSimulator) throws -> Void = { _ in }) async throws {
        let files = try state.withLock { state in
            try change(&state.fleet)
            return state.fleet.files
        }
        try TestAgent.repository(folder.path).write(files)
        await upkeep.take(try await source.refresh(at: WallClock.now(), previous: nil))
        await upkeep.once()
    }

    var fleet: FleetSimulator { state.withLock { $0.fleet } }

    /// How often sshd was told to read its configuration anew.
    var reloads: Int { sshd.log.split(separator: "\n").count { $0.contains("SIGHUP") } }

    /// What the agent says of sshd.
    func report() async -> SSHReport? { await upkeep.report()?.report }

    /// A path in the folder that sshd reads.
    func file(_ name: String) -> String { TestAgent.paths(folder.path).folder + "/ssh/" + name }

    func end() async {
        await sshd.end()
    }
}

/// Runs a test with a node whose sshd the agent has taken over, and ends everything afterwards.
func withSSHNode(
    lines: [String] = [],
    configure: (inout SSHOptions) -> Void = { _ in },
    _ body: (SSHNode) async throws -> Void
) async throws {
    let node = try await SSHNode(lines: lines, configure: configure)
    do {
        try await node.publish()
        try await body(node)
    } catch {
        await node.end()
        throw error
    }
    await node.end()
}

/// The service's host CA, close at hand.
actor TestHostAuthority: HostCertificateSource {
    private(set) var requests = 0
    var key = FleetSimulator.hostAuthority
    var life: Int64 = 30 * 86400
    var age: Int64 = 60
    var names = ["127.0.0.1", "node"]
    private var failure: String?

    func change(_ body: (isolated TestHostAuthority) -> Void) { body(self) }
    func setKey(_ key: TestKey) { self.key = key }
    func setAge(_ age: Int64) { self.age = age }
    func fail(_ reason: String?) { failure = reason }

    func hostCertificates(for keys: [String]) async throws(FleetServiceError) -> [String] {
        requests += 1
        if let failure { throw FleetServiceError(failure) }
        var lines: [String] = []
        do {
            for line in keys {
                let now = WallClock.now()
                var draft = CertificateDraft(try SSHPublicKey(line: line), principals: names, time: now)
                draft.kind = .host
                draft.serial = UInt64(5000 + requests)
                draft.keyID = "host/\(SSHNode.id)"
                draft.sourceAddress = nil
                draft.permissions = []
                draft.validAfter = now.adding(seconds: -age)
                draft.validBefore = now.adding(seconds: life - age)
                lines.append(try draft.signed(by: key).line)
            }
        } catch {
            throw FleetServiceError("\(error)")
        }
        return lines
    }
}
