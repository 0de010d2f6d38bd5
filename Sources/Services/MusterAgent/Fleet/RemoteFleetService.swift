import ByteCoding
import CanonicalJSON
import Logging
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel
import MusterSystem

/// The fleet service over HTTP, with a session of at most an hour that a node key opens.
///
/// During a rotation there are two keys: the new one is tried first, and takes the place of the old one as soon as it has
/// opened a session. A service that knows neither is shown how they followed earlier ones: its register may be older.
public actor RemoteFleetService: FleetService, KeyReplacing, HostCertificateSource, RunService, ReachService {
    private let client: MusterClient
    private let enrollment: Enrollment
    private let keys: NodeKeys
    private let clock: AgentClock
    private let logger: Logger
    private var session: (token: String, renew: Int64)?

    /// The service of an enrolled node.
    public init(
        client: MusterClient,
        enrollment: Enrollment,
        keys: NodeKeys,
        clock: AgentClock,
        logger: Logger
    ) {
        self.client = client
        self.enrollment = enrollment
        self.keys = keys
        self.clock = clock
        self.logger = logger
    }

    /// Sends a report.
    public func report(_ report: NodeReport) async throws(FleetServiceError) -> ReportReply {
        let client = client
        return try await withSession { token throws(ClientError) in try await client.report(report, session: token) }
    }

    /// Waits for a manifest.
    public func manifest(after sequence: Int64, wait: Int) async throws(FleetServiceError) -> [UInt8]? {
        let client = client
        return try await withSession { token throws(ClientError) in
            try await client.manifest(after: sequence, wait: wait, session: token)
        }
    }

    /// Sends how far this node is with a run.
    public func update(_ run: RunID, _ update: RunUpdate) async throws(FleetServiceError) -> RunUpdateReply {
        let client = client
        return try await withSession { token throws(ClientError) in
            try await client.update(run, update, session: token)
        }
    }

    /// Asks that another node visits this one.
    public func reach(_ request: ReachRequest) async throws(FleetServiceError) -> ReachReply {
        let client = client
        return try await withSession { token throws(ClientError) in try await client.reach(request, session: token) }
    }

    /// Brings a new key into use, or the one that an earlier attempt made.
    public func replaceKey() async throws(FleetServiceError) {
        let client = client
        // Where an earlier attempt got as far as the service, a session finishes it.
        let before = keys.current
        session = nil
        _ = try await withSession { token throws(ClientError) in token }
        if keys.current != before { return }
        let pair: (current: Ed25519SecretKey, next: Ed25519SecretKey)?
        do throws(SystemError) {
            pair = try keys.pair()
        } catch {
            throw FleetServiceError("\(error)")
        }
        guard let pair else { return }
        let proof = NodeKeyRequest.proof(
            fleet: enrollment.fleet,
            node: enrollment.node,
            oldKey: pair.current.publicKey,
            newKey: pair.next.publicKey
        ).canonicalBytes
        let request = NodeKeyRequest(
            newKey: pair.next.publicKey,
            oldSignature: pair.current.sign(proof),
            newSignature: pair.next.sign(proof)
        )
        do throws(SystemError) {
            try keys.keep(
                SignedKeySuccession(
                    oldKey: pair.current.publicKey,
                    newKey: pair.next.publicKey,
                    oldSignature: request.oldSignature,
                    newSignature: request.newSignature
                )
            )
        } catch {
            throw FleetServiceError("\(error)")
        }
        _ = try await withSession { token throws(ClientError) in try await client.offerKey(request, session: token) }
        keys.offered()
        session = nil
        _ = try await withSession { token throws(ClientError) in token }
        guard keys.current == pair.next.publicKey else {
            throw FleetServiceError("the service took the new key, but the old one is still the one in use")
        }
    }

    /// Asks for certificates of the host's keys.
    public func hostCertificates(for keys: [String]) async throws(FleetServiceError) -> [String] {
        let client = client
        return try await withSession { token throws(ClientError) in
            try await client.hostCertificates(HostCertificateRequest(publicKeys: keys), session: token).certificates
        }
    }

    /// Makes a call; where the session is not accepted any more, makes it once again with a new one.
    private func withSession<Value: Sendable>(
        _ call: @Sendable (String) async throws(ClientError) -> Value
    ) async throws(FleetServiceError) -> Value {
        do throws(ClientError) {
            let token = try await token()
            do throws(ClientError) {
                return try await call(token)
            } catch {
                guard error.status == 401 else { throw error }
                if session?.token == token { session = nil }
                return try await call(try await self.token())
            }
        } catch {
            throw FleetServiceError("\(error)", isRemoval: error.problemCode == "node-removed")
        }
    }

    private func token() async throws(ClientError) -> String {
        if let open { return open }
        var refusal: ClientError?
        let known = keys.candidates.map { (key: $0, successions: [SignedKeySuccession]()) }
        let shown = keys.candidates.map { (key: $0, successions: keys.successions(to: $0.publicKey)) }
        for (key, successions) in known + shown.filter({ !$0.successions.isEmpty }) {
            do throws(ClientError) {
                return try await openSession(key, successions)
            } catch {
                guard error.status == 401, error.problemCode != "node-removed" else { throw error }
                refusal = error
            }
            // Meanwhile another call may have found the key that is accepted.
            if let open { return open }
        }
        throw refusal ?? .malformed(call: "POST /v1/node/session", why: "this node has no key")
    }

    private var open: String? {
        session.flatMap { clock.monotonic() < $0.renew ? $0.token : nil }
    }

    private func openSession(
        _ key: Ed25519SecretKey,
        _ successions: [SignedKeySuccession]
    ) async throws(ClientError) -> String {
        let challenge = try await client.nodeChallenge(enrollment.node).challenge
        let proof = NodeSessionRequest.proof(fleet: enrollment.fleet, node: enrollment.node, challenge: challenge)
        let request = NodeSessionRequest(
            node: enrollment.node,
            challenge: challenge,
            signature: key.sign(proof.canonicalBytes),
            successions: successions
        )
        let reply = try await client.nodeSession(request)
        do throws(SystemError) {
            try keys.proved(key.publicKey)
        } catch {
            // Both files are there still, and the next session tries again.
            logger.error("\(error)")
        }
        // By our own two clocks: a wrong one here or there must not make every call open a session.
        let lifetime = min(max(reply.expires.milliseconds - clock.now().milliseconds, 60000), 3_600_000)
        session = (reply.token, clock.monotonic() + lifetime * 9 / 10)
        return reply.token
    }
}
