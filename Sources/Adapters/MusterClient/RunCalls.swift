import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel

/// Approved commands: what a node says of them, and what operators ask.
extension MusterClient {
    /// What `GET /v1/runs` is asked for; nil members restrict nothing.
    public struct RunQuery: Sendable {
        /// Who asked.
        public var requester: OperatorName?
        /// The command.
        public var command: CommandName?
        /// A node that the run names.
        public var node: NodeID?
        /// How far it is.
        public var state: RunRecord.State?
        /// Asked for at this moment or later.
        public var from: UTCTime?
        /// Asked for before this moment.
        public var until: UTCTime?
        /// Asked for earlier than this run, for the next page.
        public var before: RunID?
        /// Most entries.
        public var limit = 100

        /// Everything.
        public init() {}
    }

    /// `POST /v1/node/runs/{id}`: how far this node is with a run; returns once it is on the service's disk.
    public func update(_ run: RunID, _ update: RunUpdate, session: String) async throws(ClientError) -> RunUpdateReply {
        try await body(
            Call(method: .post, path: "/v1/node/runs/\(run)", session: session, body: .json(update), seconds: 60)
        )
    }

    /// `GET /v1/runs`: the newest runs first, without their nodes.
    public func runs(_ query: RunQuery, session: String?) async throws(ClientError) -> [RunRecord] {
        var pairs = [("limit", "\(query.limit)")]
        if let requester = query.requester { pairs.append(("requester", requester.text)) }
        if let command = query.command { pairs.append(("command", command.text)) }
        if let node = query.node { pairs.append(("node", node.text)) }
        if let state = query.state { pairs.append(("state", state.rawValue)) }
        if let from = query.from { pairs.append(("from", "\(from.milliseconds)")) }
        if let until = query.until { pairs.append(("until", "\(until.milliseconds)")) }
        if let before = query.before { pairs.append(("before", before.text)) }
        let call = Call(path: "/v1/runs", query: pairs, session: session, seconds: 60)
        return try await body(call, as: List<RunRecord>.self).items
    }

    /// `GET /v1/runs/{id}`: one run with its nodes, waiting at most `wait` seconds for a later revision than `after`.
    public func run(
        _ id: RunID,
        after: Int64 = -1,
        wait: Int = 0,
        session: String?
    ) async throws(ClientError) -> RunRecord {
        let query = [("after", "\(after)"), ("wait", "\(wait)")]
        return try await body(Call(path: "/v1/runs/\(id)", query: query, session: session, seconds: Int64(wait) + 60))
    }

    /// `GET /v1/runs/{id}/output`: output after the piece numbered `after`, waiting at most `wait` seconds for some.
    public func runOutput(
        _ id: RunID,
        after: Int64 = 0,
        node: NodeID? = nil,
        wait: Int = 0,
        session: String?
    ) async throws(ClientError) -> RunOutput {
        var query = [("after", "\(after)"), ("wait", "\(wait)")]
        if let node { query.append(("node", node.text)) }
        let path = "/v1/runs/\(id)/output"
        return try await body(Call(path: path, query: query, session: session, seconds: Int64(wait) + 60))
    }

    /// `POST /v1/runs/{id}/approve`: adds a signature to the statement of a run.
    public func approveRun(
        _ id: RunID,
        signature: [UInt8],
        session: String
    ) async throws(ClientError) -> RunRecord {
        let request = ApprovalRequest(signature: signature)
        return try await body(
            Call(method: .post, path: "/v1/runs/\(id)/approve", session: session, body: .json(request))
        )
    }

    /// `POST /v1/runs/{id}/deny`: ends a run that waits for approvals.
    public func denyRun(_ id: RunID, reason: String, session: String) async throws(ClientError) -> RunRecord {
        let request = ReasonRequest(reason: reason)
        return try await body(Call(method: .post, path: "/v1/runs/\(id)/deny", session: session, body: .json(request)))
    }

    /// `POST /v1/runs/{id}/cancel`: begins no further nodes and ends the processes that run.
    public func cancelRun(_ id: RunID, reason: String, session: String) async throws(ClientError) -> RunRecord {
        let request = ReasonRequest(reason: reason)
        return try await body(
            Call(method: .post, path: "/v1/runs/\(id)/cancel", session: session, body: .json(request))
        )
    }

    /// `POST /v1/runs/{id}/certificate`: the certificate of a run over SSH, for its requester.
    public func runCertificate(_ id: RunID, session: String) async throws(ClientError) -> SSHCertificateReply {
        try await body(Call(method: .post, path: "/v1/runs/\(id)/certificate", session: session))
    }

    /// `POST /v1/runs/{id}/results`: how a run over SSH went, from its requester; returns once it is on the service's disk.
    public func sendResults(
        _ id: RunID,
        _ results: RunResults,
        session: String
    ) async throws(ClientError) -> RunRecord {
        try await body(
            Call(method: .post, path: "/v1/runs/\(id)/results", session: session, body: .json(results), seconds: 60)
        )
    }
}
