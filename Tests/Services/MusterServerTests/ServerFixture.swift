import ByteCoding
import CanonicalJSON
import Glibc
import Logging
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSigners
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Synchronization

@testable import MusterServer

/// A real service on a port of its own, with a fleet whose every key is at hand; ends with the test.
final class ServerFixture: Sendable {
    /// A clock that tests move.
    final class TestClock: Sendable {
        private let ahead = Mutex<Int64>(0)

        func advance(seconds: Int64) { ahead.withLock { $0 += seconds } }

        func now() -> UTCTime { WallClock.now().adding(seconds: ahead.withLock { $0 }) }
    }

    let directory: String
    let clock = TestClock()
    let server: FleetServer
    let url: String
    let client: MusterClient
    private let running: Task<Void, any Error>
    private let fleetState: Mutex<FleetSimulator>

    var fleet: FleetSimulator { fleetState.withLock { $0 } }

    /// Starts a service, with a fleet unless told otherwise; runs `body`; ends the service.
    static func run(
        withFleet: Bool = true,
        options change: (inout ServeOptions) -> Void = { _ in },
        _ body: (ServerFixture) async throws -> Void
    ) async throws {
        let directory = "/tmp/muster-server-test-" + Hex.encode(RandomBytes.make(8))
        defer { removeTree(directory) }
        try await run(in: directory, withFleet: withFleet, options: change, body)
    }

    /// Runs `body` with a service on a folder that may have been another's before.
    static func run(
        in directory: String,
        withFleet: Bool,
        as simulator: FleetSimulator? = nil,
        options change: (inout ServeOptions) -> Void = { _ in },
        _ body: (ServerFixture) async throws -> Void
    ) async throws {
        let fixture = try await ServerFixture(directory, as: simulator, change)
        do {
            if withFleet { try await fixture.makeFleet() }
            try await body(fixture)
        } catch {
            await fixture.end()
            throw error
        }
        await fixture.end()
    }

    init(
        _ directory: String,
        as former: FleetSimulator? = nil,
        _ change: (inout ServeOptions) -> Void = { _ in }
    ) async throws {
        self.directory = directory
        let simulator = try former ?? FleetSimulator(time: WallClock.now())
        fleetState = Mutex(simulator)
        try Self.seal(simulator, directory + "/keys")
        var options = ServeOptions()
        options.stateDirectory = directory
        options.listen = ["127.0.0.1:0"]
        options.clock = { [clock] in clock.now() }
        options.passphrase = try Self.passphrase()
        change(&options)
        var log = Logger(label: "test", factory: { StreamLogHandler.standardError(label: $0) })
        log.logLevel = .critical
        let (addresses, sink) = AsyncStream.makeStream(of: [String].self)
        try await Self.awaitLock(directory)
        let server = try await FleetServer(options, log: log) { sink.yield($0.urls) }
        self.server = server
        running = Task {
            defer { sink.finish() }
            try await server.run(signals: [])
        }
        var found: String?
        for await all in addresses {
            found = all.first
            break
        }
        url = found ?? ""
        client = try MusterClient(service: url)
    }

    func end() async {
        running.cancel()
        _ = try? await running.value
        await client.close()
    }

    /// Waits until nobody holds the lock of a service's folder.
    ///
    /// A program that another test is just starting has our descriptors, and with them the lock of the service that had the
    /// folder a moment ago, until it is executed.
    static func awaitLock(_ directory: String) async throws {
        for _ in 0..<600 where Directory.exists(directory) {
            if try FileLock.tryAcquire(directory + "/lock") != nil { return }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private static func passphrase() throws -> Passphrase? {
        var bytes = Array("correct horse".utf8)
        return Passphrase(wiping: &bytes)
    }

    private static func seal(_ simulator: FleetSimulator, _ folder: String) throws {
        guard !Directory.exists(folder), let passphrase = try passphrase() else { return }
        try Directory.create(folder)
        let keys = [
            ("snapshot", simulator.snapshotKey), ("timestamp", simulator.timestampKey),
            ("manifest", simulator.manifestKey), ("revocations", simulator.revocationsKey),
            ("user-ca", FleetSimulator.userAuthority), ("host-ca", FleetSimulator.hostAuthority),
        ]
        for (role, key) in keys {
            var seed = key.seed
            guard let secret = Ed25519SecretKey(seed: SecretBytes(wiping: &seed)) else { continue }
            try SealedKeyFile(sealing: secret, passphrase: passphrase, comment: role, cost: .minimal)
                .write(to: "\(folder)/\(role).key")
        }
    }

    // MARK: - The fleet

    func upload(_ fleet: FleetSimulator? = nil, token: String? = nil) throws -> FleetUpload {
        let fleet = fleet ?? self.fleet
        return FleetUpload(
            setupToken: try token
                ?? String(decoding: BoundedFile.read(directory + "/setup-token", limit: 4096), as: UTF8.self),
            root: fleet.files["metadata/1.root.json"] ?? [],
            targets: fleet.files["metadata/1.targets.json"] ?? [],
            releases: fleet.files["metadata/1.releases.json"] ?? [],
            policy: fleet.files["metadata/1.policy.json"] ?? [],
            policyDocument: fleet.policyDocument.canonicalBytes,
            sshTrust: fleet.sshTrust?.bytes
        )
    }

    /// Lets the fleet be another one than the service's sealed keys are for.
    func use(_ fleet: FleetSimulator) { fleetState.withLock { $0 = fleet } }

    func makeFleet() async throws {
        _ = try server.service.makeSetupToken()
        try await client.makeFleet(try upload())
    }

    /// An operator's session.
    func login(_ name: String = "ada") async throws -> String {
        let challenge = try await client.operatorChallenge().challenge
        let proof = OperatorSessionRequest.proof(fleet: fleet.fleet, challenge: challenge).canonicalBytes
        let signature = try FleetSimulator.operatorKey(name).sshSignature(
            of: proof,
            namespace: OperatorSessionRequest.namespace
        )
        return try await client.operatorSession(
            OperatorSessionRequest(challenge: challenge, signature: signature)
        ).token
    }

    /// Releases a package and uploads it.
    func release(
        _ version: String,
        counter: Int64,
        security: Bool = false,
        floor: String? = nil,
        by session: String
    ) async throws -> String {
        let path = "releases/hello_\(version)_amd64.deb"
        let bytes = Array("package hello \(version)".utf8)
        let fleet = try fleetState.withLock { fleet in
            fleet.add(
                path,
                bytes,
                ReleaseDescription(
                    package: "hello",
                    version: version,
                    architecture: "amd64",
                    counter: counter,
                    security: security,
                    released: fleet.time,
                    healthChecks: [],
                    notes: "",
                    floor: floor
                )
            )
            try fleet.publishReleases()
            return fleet
        }
        try await client.upload(bytes: bytes, sha256: Digest.sha256(bytes), target: path, session: session)
        let name = "metadata/\(fleet.releasesVersion).releases.json"
        try await client.publish(role: "releases", metadata: fleet.files[name] ?? [], session: session)
        return path
    }

    /// A token that lets so many nodes join.
    func token(
        uses: Int,
        tags: [String] = ["web"],
        seed: String = "token",
        by session: String
    ) async throws -> [UInt8] {
        let secret = Digest.sha256(Array(seed.utf8))
        let body = EnrollBody(
            tags: tags.compactMap(Tag.init),
            proof: .secret(sha256: Digest.sha256(secret), uses: uses)
        )
        _ = try await client.send(
            try fleet.statement(.enroll(body), seed: "enroll " + seed, issued: clock.now()),
            session: session
        )
        return secret
    }

    func enrollRequest(_ key: TestKey, name: String, secret: [UInt8]?) -> EnrollRequest {
        let proof = EnrollRequest.proof(fleet: fleet.fleet, name: name, nodeKey: key.publicKey).canonicalBytes
        return EnrollRequest(
            fleet: fleet.fleet,
            name: name,
            nodeKey: key.publicKey,
            secret: secret,
            signature: key.sign(proof)
        )
    }

    /// A node that has joined and has a session.
    func node(_ name: String, secret: [UInt8]) async throws -> TestNode {
        let key = TestKey("node-" + name)
        guard
            case .enrolled(let id, _, _) = try await client.enroll(enrollRequest(key, name: name, secret: secret))
        else { throw FleetSimulator.Failure.impossible }
        return try await TestNode(self, id, key)
    }
}

/// A node that only talks.
final class TestNode: Sendable {
    let id: NodeID
    let session: String
    private let fixture: ServerFixture

    init(_ fixture: ServerFixture, _ id: NodeID, _ key: TestKey) async throws {
        self.fixture = fixture
        self.id = id
        let challenge = try await fixture.client.nodeChallenge(id).challenge
        let proof = NodeSessionRequest.proof(fleet: fixture.fleet.fleet, node: id, challenge: challenge)
        session = try await fixture.client.nodeSession(
            NodeSessionRequest(node: id, challenge: challenge, signature: key.sign(proof.canonicalBytes))
        ).token
    }

    func report(version: String, _ progress: [NodeProgress] = []) async throws {
        _ = try await fixture.client.report(Self.report(version: version, progress), session: session)
    }

    static func report(version: String, _ progress: [NodeProgress] = []) -> NodeReport {
        NodeReport(
            agentVersion: "0.1.0",
            osRelease: "Debian GNU/Linux 12 (bookworm)",
            kernel: "6.1.0",
            architecture: "amd64",
            bootID: "boot",
            uptimeSeconds: 1,
            packages: ["hello": version],
            progress: progress
        )
    }

    func progress(_ rollout: RolloutID, _ state: NodeProgress.State, version: String) -> NodeProgress {
        NodeProgress(rollout: rollout, state: state, version: version, reason: "", at: fixture.clock.now())
    }

    func manifest(after sequence: Int64 = 0, wait: Int = 0) async throws -> [UInt8]? {
        try await fixture.client.manifest(after: sequence, wait: wait, session: session)
    }
}

/// Removes a folder of a test.
func removeTree(_ path: String) {
    for name in (try? Directory.entries(path)) ?? [] {
        let entry = path + "/" + name
        if unlink(entry) != 0 { removeTree(entry) }
    }
    rmdir(path)
}
