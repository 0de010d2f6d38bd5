import ByteCoding
import CanonicalJSON
import Glibc
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSigners
import MusterSystem
import MusterTestSupport
import SignatureVerification
import Synchronization

/// A real musterd with a fleet whose every key is at hand, which can be killed and started again.
public final class SwarmService: Sendable {
    /// The fleet's keys and documents.
    public let fleet: FleetSimulator
    /// The service's address.
    public let address: String
    /// Talks to the service, over as many connections as there are agents.
    public let client: MusterClient
    private let program: String
    private let folder: String
    private let process: Mutex<RunningProgram>

    /// Starts the program `musterd` in a new folder and makes a fleet, for so many agents.
    public init(program: String, folder: String, agents: Int, fleet: FleetSimulator) async throws {
        Self.raiseDescriptorLimit()
        self.program = program
        self.folder = folder
        self.fleet = fleet
        try Self.seal(fleet, folder + "/keys")
        let running = try Self.start(program, folder, listen: "127.0.0.1:0")
        process = Mutex(running)
        guard let found = await Self.awaitFile(folder + "/address")?.split(separator: "\n").first else {
            await running.end()
            throw RunningProgram.Failure("musterd did not start:\n\(running.output)")
        }
        address = String(found)
        var options = HTTPTransport.Options()
        options.connections = agents + 64
        options.connectSeconds = 30
        client = try MusterClient(service: address, options: options)
        let token = await Self.awaitFile(folder + "/setup-token") ?? ""
        _ = try await client.makeFleet(
            FleetUpload(
                setupToken: token,
                root: fleet.files["metadata/1.root.json"] ?? [],
                targets: fleet.files["metadata/1.targets.json"] ?? [],
                releases: fleet.files["metadata/1.releases.json"] ?? [],
                policy: fleet.files["metadata/1.policy.json"] ?? [],
                policyDocument: fleet.policyDocument.canonicalBytes,
                sshTrust: nil
            )
        )
    }

    /// Ends the service and every connection.
    public func end() async {
        await client.close()
        await process.withLock { $0 }.end()
    }

    /// Kills the service as `kill -9` does, waits so long, and starts it again at its address.
    public func killAndRestart(after pause: Duration) async throws {
        let old = process.withLock { $0 }
        old.signal(SIGKILL)
        _ = await old.exit(within: .seconds(10))
        try await Task.sleep(for: pause)
        let listen = String(address.split(separator: "/").last ?? "")
        let new = try Self.start(program, folder, listen: listen)
        process.withLock { $0 = new }
        for _ in 0..<1200 {
            if (try? await client.serviceDescription()) != nil { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RunningProgram.Failure("musterd did not come back:\n\(new.output)")
    }

    /// Its resident memory, in KiB.
    public var residentKiB: Int {
        let status = try? BoundedFile.read("/proc/\(process.withLock { $0.pid })/status", limit: 65536)
        let lines = String(decoding: status ?? [], as: UTF8.self).split(separator: "\n")
        let line = lines.first { $0.hasPrefix("VmRSS:") }
        return line.flatMap { $0.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first }
            .flatMap { Int($0) } ?? 0
    }

    /// Seconds of CPU that it has used since it was last started.
    public var cpuSeconds: Double {
        let stat = try? BoundedFile.read("/proc/\(process.withLock { $0.pid })/stat", limit: 4096)
        let text = String(decoding: stat ?? [], as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// A new session of the operator `ada`.
    public func login() async throws -> String {
        let challenge = try await client.operatorChallenge().challenge
        let proof = OperatorSessionRequest.proof(fleet: fleet.fleet, challenge: challenge).canonicalBytes
        let signature = try FleetSimulator.operatorKey("ada").sshSignature(
            of: proof,
            namespace: OperatorSessionRequest.namespace
        )
        return try await client.operatorSession(
            OperatorSessionRequest(challenge: challenge, signature: signature)
        ).token
    }

    private static func start(_ program: String, _ folder: String, listen: String) throws -> RunningProgram {
        try RunningProgram(
            program,
            [
                "serve", "--state-dir", folder, "--listen", listen, "--passphrase-file", folder + "/passphrase",
                "--tailnet", "none", "--log-level", "error",
            ],
            log: folder + "/musterd.log"
        )
    }

    private static func seal(_ fleet: FleetSimulator, _ folder: String) throws {
        try Directory.create(folder)
        let keys = [
            ("snapshot", fleet.snapshotKey), ("timestamp", fleet.timestampKey), ("manifest", fleet.manifestKey),
            ("revocations", fleet.revocationsKey),
        ]
        var words = Array("a passphrase for tests".utf8)
        try AtomicFile.write(words, to: folder + "/../passphrase", mode: 0o600)
        guard let passphrase = Passphrase(wiping: &words) else { throw FleetSimulator.Failure.impossible }
        for (role, key) in keys {
            var seed = key.seed
            guard let secret = Ed25519SecretKey(seed: SecretBytes(wiping: &seed)) else { continue }
            try SealedKeyFile(sealing: secret, passphrase: passphrase, comment: role, cost: .minimal)
                .write(to: "\(folder)/\(role).key")
        }
    }

    private static func awaitFile(_ path: String) async -> String? {
        for _ in 0..<1200 {
            if let bytes = try? BoundedFile.read(path, limit: 4096), !bytes.isEmpty {
                return String(decoding: bytes, as: UTF8.self)
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return nil
    }

    /// Each agent has a connection or two.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(7), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(7), &limit)
    }
}
