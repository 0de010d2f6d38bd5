import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel

extension MusterClient {
    /// `GET /v1/service`: who the service is.
    public func serviceDescription() async throws(ClientError) -> ServiceDescription {
        try await body(Call(path: "/v1/service"))
    }

    /// `GET /v1/enroll/statement`: the `enroll` statement that a token's secret stands for.
    public func enrollStatement(secretSHA256: [UInt8]) async throws(ClientError) -> SignedStatement {
        let call = Call(
            path: "/v1/enroll/statement",
            query: [("secret_sha256", Hex.encode(secretSHA256))],
            limit: SignedStatement.byteLimit
        )
        let reply = try await reply(call)
        do {
            return try SignedStatement(
                JSONFields(try JSONValue.parse(reply.body, limit: SignedStatement.byteLimit))
            )
        } catch {
            throw .malformed(call: call.name, why: error.description)
        }
    }

    /// `POST /v1/enroll`: joins, or asks to be approved.
    public func enroll(_ request: EnrollRequest) async throws(ClientError) -> EnrollReply {
        try await body(Call(method: .post, path: "/v1/enroll", body: .json(request)))
    }

    /// `POST /v1/node/challenge`: 32 bytes to sign for a session.
    public func nodeChallenge(_ node: NodeID) async throws(ClientError) -> ChallengeReply {
        let request = NodeChallengeRequest(node: node)
        return try await body(Call(method: .post, path: "/v1/node/challenge", body: .json(request)))
    }

    /// `POST /v1/node/session`: the signed challenge for a session token.
    public func nodeSession(_ request: NodeSessionRequest) async throws(ClientError) -> SessionReply {
        try await body(Call(method: .post, path: "/v1/node/session", body: .json(request)))
    }

    /// `POST /v1/node/report`: what the node says of itself; returns once it is on the service's disk.
    public func report(_ report: NodeReport, session: String) async throws(ClientError) -> ReportReply {
        try await body(Call(method: .post, path: "/v1/node/report", session: session, body: .json(report)))
    }

    /// `POST /v1/node/reach`: asks for a visit of another node.
    public func reach(_ request: ReachRequest, session: String) async throws(ClientError) -> ReachReply {
        try await body(Call(method: .post, path: "/v1/node/reach", session: session, body: .json(request)))
    }

    /// `POST /v1/node/key`: a new node key, signed by both; returns once it is on the service's disk.
    public func offerKey(_ request: NodeKeyRequest, session: String) async throws(ClientError) -> NodeKeyReply {
        try await body(Call(method: .post, path: "/v1/node/key", session: session, body: .json(request)))
    }

    /// `GET /v1/node/manifest`: the envelope of the newest manifest after `sequence`, exactly as it came and not believed
    /// yet, or nil when there was none within `wait` seconds.
    public func manifest(after sequence: Int64, wait: Int, session: String) async throws(ClientError) -> [UInt8]? {
        let call = Call(
            path: "/v1/node/manifest",
            query: [("after", "\(sequence)"), ("wait", "\(wait)")],
            session: session,
            limit: UpdateManifest.byteLimit,
            seconds: Int64(wait) + 30
        )
        let reply = try await reply(call)
        return reply.status == 204 ? nil : reply.body
    }

    /// `POST /v1/node/host-certificate`: certificates of the keys that the node's sshd shows.
    public func hostCertificates(
        _ request: HostCertificateRequest,
        session: String
    ) async throws(ClientError) -> HostCertificateReply {
        try await body(Call(method: .post, path: "/v1/node/host-certificate", session: session, body: .json(request)))
    }
}
