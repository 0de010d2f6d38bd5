import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel

extension MusterClient {
    /// `POST /v1/fleet`: makes the fleet.
    public func makeFleet(_ upload: FleetUpload) async throws(ClientError) {
        _ = try await reply(Call(method: .post, path: "/v1/fleet", body: .json(upload), seconds: 60))
    }

    /// `POST /v1/operator/challenge`: 32 bytes to sign for a session.
    public func operatorChallenge() async throws(ClientError) -> ChallengeReply {
        try await body(Call(method: .post, path: "/v1/operator/challenge", body: .bytes(Array("{}".utf8))))
    }

    /// `POST /v1/operator/session`: the signed challenge for a session token.
    public func operatorSession(_ request: OperatorSessionRequest) async throws(ClientError) -> SessionReply {
        try await body(Call(method: .post, path: "/v1/operator/session", body: .json(request)))
    }

    // MARK: - Reading
    //
    // Without a session too, where the service recognises an operator by the tailnet login of the address.

    /// `GET /v1/whoami`: who the service takes us for; for anybody.
    public func whoami(session: String?) async throws(ClientError) -> WhoAmI {
        try await body(Call(path: "/v1/whoami", session: session))
    }

    /// `GET /v1/nodes`: the register.
    public func nodes(session: String?) async throws(ClientError) -> [NodeRecord] {
        try await list(Call(path: "/v1/nodes", session: session, seconds: 60))
    }

    /// `GET /v1/nodes/{id}`: one node.
    public func node(_ id: NodeID, session: String?) async throws(ClientError) -> NodeRecord {
        try await body(Call(path: "/v1/nodes/\(id)", session: session))
    }

    /// `POST /v1/nodes/{id}/hold`: rollouts pass the node by.
    public func hold(_ node: NodeID, _ request: HoldRequest, session: String) async throws(ClientError) -> NodeRecord {
        try await body(Call(method: .post, path: "/v1/nodes/\(node)/hold", session: session, body: .json(request)))
    }

    /// `POST /v1/nodes/{id}/unhold`: rollouts take the node again.
    public func unhold(_ node: NodeID, reason: String, session: String) async throws(ClientError) -> NodeRecord {
        let request = ReasonRequest(reason: reason)
        return try await body(
            Call(method: .post, path: "/v1/nodes/\(node)/unhold", session: session, body: .json(request))
        )
    }

    /// `POST /v1/nodes/{id}/pin`: a package of the node stays as it is.
    public func pin(_ node: NodeID, _ request: PinRequest, session: String) async throws(ClientError) -> NodeRecord {
        try await body(Call(method: .post, path: "/v1/nodes/\(node)/pin", session: session, body: .json(request)))
    }

    /// `POST /v1/nodes/{id}/unpin`: rollouts may change the package again.
    public func unpin(
        _ node: NodeID,
        _ request: UnpinRequest,
        session: String
    ) async throws(ClientError) -> NodeRecord {
        try await body(Call(method: .post, path: "/v1/nodes/\(node)/unpin", session: session, body: .json(request)))
    }

    /// `GET /v1/enrollments`: nodes that wait for approval.
    public func enrollments(session: String?) async throws(ClientError) -> [PendingEnrollment] {
        try await list(Call(path: "/v1/enrollments", session: session))
    }

    /// `POST /v1/statements`: does what a signed statement asks for.
    public func send(_ statement: SignedStatement, session: String) async throws(ClientError) -> StatementReply {
        try await body(
            Call(method: .post, path: "/v1/statements", session: session, body: .bytes(statement.json.jsonBytes))
        )
    }

    /// `GET /v1/rollouts`: every rollout, without its nodes.
    public func rollouts(session: String?) async throws(ClientError) -> [RolloutRecord] {
        try await list(Call(path: "/v1/rollouts", session: session, seconds: 60))
    }

    /// `GET /v1/rollouts/{id}`: one rollout with its nodes, at once.
    public func rollout(_ id: RolloutID, session: String?) async throws(ClientError) -> RolloutRecord {
        try await body(Call(path: "/v1/rollouts/\(id)", session: session))
    }

    /// `GET /v1/rollouts/{id}?after=…`: the rollout once its revision is above `revision`, or nil when that did not
    /// happen within `wait` seconds.
    public func rollout(
        _ id: RolloutID,
        after revision: Int64,
        wait: Int,
        session: String?
    ) async throws(ClientError) -> RolloutRecord? {
        let call = Call(
            path: "/v1/rollouts/\(id)",
            query: [("after", "\(revision)"), ("wait", "\(wait)")],
            session: session,
            limit: RolloutRecord.byteLimit,
            seconds: Int64(wait) + 30
        )
        let reply = try await reply(call)
        guard reply.status != 204 else { return nil }
        let record: RolloutRecord = try Self.parse(reply, call.name)
        return record.revision > revision ? record : nil
    }

    /// What an operator may do to a rollout, beside approving it.
    public enum RolloutAction: String, Sendable {
        case halt
        case resume
        case cancel
    }

    /// `POST /v1/rollouts/{id}/halt`, `/resume` or `/cancel`.
    public func change(
        _ id: RolloutID,
        _ action: RolloutAction,
        reason: String,
        session: String
    ) async throws(ClientError) -> RolloutRecord {
        let request = ReasonRequest(reason: reason)
        return try await body(
            Call(method: .post, path: "/v1/rollouts/\(id)/\(action.rawValue)", session: session, body: .json(request))
        )
    }

    /// `POST /v1/rollouts/{id}/approve`: adds a signature to the rollout's statement.
    public func approve(
        _ id: RolloutID,
        signature: [UInt8],
        session: String
    ) async throws(ClientError) -> RolloutRecord {
        let request = ApprovalRequest(signature: signature)
        return try await body(
            Call(method: .post, path: "/v1/rollouts/\(id)/approve", session: session, body: .json(request))
        )
    }

    /// `PUT /v1/repository/files/{sha256}`: uploads a target file straight from disk.
    public func upload(
        file: String,
        length: Int64,
        sha256: [UInt8],
        target: String,
        session: String
    ) async throws(ClientError) {
        let call = Call(
            method: .put,
            path: "/v1/repository/files/\(Hex.encode(sha256))",
            query: [("path", target)],
            session: session,
            body: .file(FileChunks(path: file), length: length),
            bodyType: "application/octet-stream",
            // At least a megabyte in ten seconds, or the line is not fit for it.
            seconds: 60 + length / 100_000
        )
        _ = try await reply(call)
    }

    /// `PUT /v1/repository/files/{sha256}`: uploads a target file out of memory.
    ///
    /// Without a session only a policy while nobody can log in (problem `policy-expired`).
    public func upload(
        bytes: [UInt8],
        sha256: [UInt8],
        target: String,
        session: String?
    ) async throws(ClientError) {
        let call = Call(
            method: .put,
            path: "/v1/repository/files/\(Hex.encode(sha256))",
            query: [("path", target)],
            session: session,
            body: .bytes(bytes),
            bodyType: "application/octet-stream",
            seconds: 60
        )
        _ = try await reply(call)
    }

    /// `POST /v1/repository/metadata/{role}`: publishes offline-signed metadata, byte for byte.
    ///
    /// Without a session only while nobody can log in (problem `policy-expired`).
    public func publish(role: String, metadata: [UInt8], session: String?) async throws(ClientError) {
        let path = "/v1/repository/metadata/\(PercentEncoding.encode(role))"
        _ = try await reply(
            Call(method: .post, path: path, session: session, body: .bytes(metadata), seconds: 120)
        )
    }

    /// `GET /v1/events`: what happened after event `sequence`, waiting at most `wait` seconds for the first.
    public func events(after sequence: Int64, wait: Int, session: String?) async throws(ClientError) -> [EventRecord] {
        let call = Call(
            path: "/v1/events",
            query: [("after", "\(sequence)"), ("wait", "\(wait)")],
            session: session,
            limit: List<EventRecord>.byteLimit,
            seconds: Int64(wait) + 30
        )
        let reply = try await reply(call)
        guard reply.status != 204 else { return [] }
        let list: List<EventRecord> = try Self.parse(reply, call.name)
        return list.items
    }

    private func list<Item: Body>(_ call: Call) async throws(ClientError) -> [Item] {
        try await body(call, as: List<Item>.self).items
    }
}
