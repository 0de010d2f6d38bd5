import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem
import MusterTrust
import SignatureVerification
import TUFClient
import TUFTrust

/// Why a node did not join.
public struct EnrollmentError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was tried, why it failed, what to do.
    public let message: String

    /// A failure.
    public init(_ message: String) {
        self.message = message
    }

    /// The message.
    public var description: String { message }
}

/// Brings this node into a fleet.
///
/// The fleet id pins the first root; from there the node itself checks the `enroll` statement against the trusted policy,
/// before it shows the token's secret to anyone and again when it has joined. Doing it twice does no harm.
public struct Enroller: Sendable {
    private let paths: AgentPaths
    private let client: MusterClient
    private let clock: AgentClock

    /// An enroller that keeps its files below `paths` and asks the service of `client`.
    public init(paths: AgentPaths, client: MusterClient, clock: AgentClock) {
        self.paths = paths
        self.client = client
        self.clock = clock
    }

    /// Joins by a token.
    public func enroll(token: EnrollmentToken, name: String) async throws -> Enrollment {
        let key = try prepare(token.fleet)
        let trust = try await establish(token.fleet)
        let offered = try await client.enrollStatement(secretSHA256: Digest.sha256(token.secret))
        try verify(offered, .secret(token.secret), token.fleet, trust)
        let reply = try await client.enroll(request(token.fleet, name, key, secret: token.secret))
        guard case .enrolled(let node, let name, let statement) = reply else {
            throw EnrollmentError("the service did not accept the token")
        }
        try verify(statement, .secret(token.secret), token.fleet, trust)
        return try keep(token.fleet, node, name, statement, key)
    }

    /// Asks to be approved, and waits; `show` is told the code that an operator has to approve, once, and the address of a
    /// page that says so, where the service has one.
    public func enroll(
        fleet: FleetID,
        name: String,
        show: @Sendable (String, _ link: String?) -> Void
    ) async throws -> Enrollment {
        let key = try prepare(fleet)
        _ = try await establish(fleet)
        var isShown = false
        while true {
            switch try await client.enroll(request(fleet, name, key, secret: nil)) {
            case .pending(_, let seconds, let link):
                // The code is that of our key, whatever the service says: it is what an operator compares.
                let code = EnrollmentCode.text(of: key.publicKey)
                if !isShown { show(code, link.map(Self.plain).flatMap { $0.hasSuffix("/" + code) ? $0 : nil }) }
                isShown = true
                try await clock.sleep(.seconds(min(seconds, 60)))
            case .enrolled(let node, let name, let statement):
                // The policy may have changed while an operator made up their mind.
                try verify(statement, .nodeKey(key.publicKey), fleet, try await establish(fleet))
                return try keep(fleet, node, name, statement, key)
            }
        }
    }

    /// What the service says is shown at a terminal, so nothing in it may steer one.
    private static func plain(_ text: String) -> String {
        String(text.unicodeScalars.filter { (0x21...0x7E).contains($0.value) }.map(Character.init))
    }

    private func prepare(_ fleet: FleetID) throws -> Ed25519SecretKey {
        try paths.create()
        if let present = try Enrollment.load(paths), present.fleet != fleet {
            throw EnrollmentError(
                "this node belongs to fleet \(present.fleet) already; remove \(paths.folder) to let it forget that"
            )
        }
        return try NodeKeyFile.readOrCreate(paths.key)
    }

    /// Starts from the root that the fleet id pins, and brings everything up to date.
    private func establish(_ fleet: FleetID) async throws -> FleetTrust {
        let metadata = TransportFetcher(service: client.service, transport: client.transport, folder: "/tuf/metadata/")
        let targets = TransportFetcher(service: client.service, transport: client.transport, folder: "/tuf/targets/")
        let tuf = TUFClient(
            directory: MetadataDirectory(paths.metadata),
            fetcher: metadata,
            limits: FleetTrustSource.limits
        )
        try forgetOthers(fleet)
        if MetadataDirectory(paths.metadata).read("root") == nil {
            guard let root = try await metadata.fetch("1.root.json", limit: 512_000) else {
                throw EnrollmentError("\(client.service) has no fleet yet, or is no fleet service")
            }
            guard Hex.encode(Digest.sha256(root)) == fleet.text else {
                throw EnrollmentError(
                    "the first root of \(client.service) is not that of fleet \(fleet): a wrong address, or an attack"
                )
            }
            try AtomicFile.write(root, to: paths.firstRoot)
            try tuf.initialize(root: root, at: clock.now())
        }
        return try await FleetTrustSource(client: tuf, targets: targets).refresh(at: clock.now(), previous: nil)
    }

    /// Metadata that an earlier attempt left count only where they began at this fleet's first root.
    ///
    /// The first root is written before there are any metadata, so one that is missing or another's says where they are from.
    private func forgetOthers(_ fleet: FleetID) throws(SystemError) {
        let first = try? BoundedFile.read(paths.firstRoot, limit: TUFLimits().root)
        if let first, Hex.encode(Digest.sha256(first)) == fleet.text { return }
        try Directory.removeTree(paths.metadata)
        try AtomicFile.remove(paths.firstRoot)
        try SSHPaths(paths).forgetRevocations()
    }

    private func verify(
        _ statement: SignedStatement,
        _ proof: EnrollmentVerifier.Proof,
        _ fleet: FleetID,
        _ trust: FleetTrust
    ) throws {
        do throws(TrustRefusal) {
            _ = try EnrollmentVerifier.verify(
                statement,
                proof: proof,
                policy: trust.policy,
                fleet: fleet,
                time: clock.now()
            )
        } catch {
            throw EnrollmentError("the enroll statement is refused: \(error)")
        }
    }

    private func request(
        _ fleet: FleetID,
        _ name: String,
        _ key: Ed25519SecretKey,
        secret: [UInt8]?
    ) -> EnrollRequest {
        let proof = EnrollRequest.proof(fleet: fleet, name: name, nodeKey: key.publicKey)
        return EnrollRequest(
            fleet: fleet,
            name: name,
            nodeKey: key.publicKey,
            secret: secret,
            signature: key.sign(proof.canonicalBytes)
        )
    }

    private func keep(
        _ fleet: FleetID,
        _ node: NodeID,
        _ name: String,
        _ statement: SignedStatement,
        _ key: Ed25519SecretKey
    ) throws -> Enrollment {
        let present = try Enrollment.load(paths)
        // By another node's id what operators sign for that one would be done here.
        guard node == present?.node || node == NodeID(joiningWith: key.publicKey) else {
            throw EnrollmentError(
                "the service gives this node the id \(node), which is not that of its key: it is refused, as it may be another "
                    + "node's; where this node's key was replaced and enrollment.json was lost, remove \(paths.folder) and "
                    + "enroll again"
            )
        }
        let enrollment = Enrollment(
            service: client.service.text,
            fleet: fleet,
            node: node,
            name: name,
            statement: statement
        )
        // What another enrollment remembered is not this node's.
        if present?.node != node {
            try AtomicFile.remove(paths.memory)
            try SSHPaths(paths).forgetRevocations()
        }
        try enrollment.store(paths)
        return enrollment
    }
}
