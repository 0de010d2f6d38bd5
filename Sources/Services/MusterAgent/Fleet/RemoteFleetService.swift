import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterClient
import MusterKeys
import MusterModel

/// The fleet service over HTTP, with a session of at most an hour that the node key opens.
public actor RemoteFleetService: FleetService {
    private let client: MusterClient
    private let enrollment: Enrollment
    private let key: Ed25519SecretKey
    private let clock: AgentClock
    private var session: (token: String, renew: Int64)?

    /// The service of an enrolled node.
    public init(client: MusterClient, enrollment: Enrollment, key: Ed25519SecretKey, clock: AgentClock) {
        self.client = client
        self.enrollment = enrollment
        self.key = key
        self.clock = clock
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
            throw FleetServiceError("\(error)")
        }
    }

    private func token() async throws(ClientError) -> String {
        if let session, clock.monotonic() < session.renew { return session.token }
        let challenge = try await client.nodeChallenge(enrollment.node).challenge
        let proof = NodeSessionRequest.proof(fleet: enrollment.fleet, node: enrollment.node, challenge: challenge)
        let request = NodeSessionRequest(
            node: enrollment.node,
            challenge: challenge,
            signature: key.sign(proof.canonicalBytes)
        )
        let reply = try await client.nodeSession(request)
        // By our own two clocks: a wrong one here or there must not make every call open a session.
        let lifetime = min(max(reply.expires.milliseconds - clock.now().milliseconds, 60000), 3_600_000)
        session = (reply.token, clock.monotonic() + lifetime * 9 / 10)
        return reply.token
    }
}
