import ByteCoding
import CanonicalJSON
import Hummingbird
import MusterAPI
import MusterModel
import MusterStore
import SignatureVerification
import Tailnet

/// What nodes ask for once they are enrolled: sessions, reports, manifests.
struct NodeCalls: Sendable {
    let service: FleetService

    /// `POST /v1/node/challenge`.
    func challenge(_ call: Call) async throws -> Response {
        let request: NodeChallengeRequest = try await call.body()
        _ = try known(request.node, call)
        return Answer.body(
            ChallengeReply(challenge: service.tokens.challenge(for: request.node.text, at: call.time))
        )
    }

    /// `POST /v1/node/session`.
    func session(_ call: Call) async throws -> Response {
        let request: NodeSessionRequest = try await call.body()
        let entry = try known(request.node, call)
        let fleet = try service.repository.publication().fleet
        let proof = NodeSessionRequest.proof(fleet: fleet, node: request.node, challenge: request.challenge)
        guard service.tokens.isOurs(request.challenge, for: request.node.text, at: call.time),
            Ed25519.verify(
                signature: request.signature,
                message: proof.canonicalBytes,
                publicKey: entry.node.key
            ),
            service.tokens.take(request.challenge, for: request.node.text, at: call.time)
        else {
            throw Problem.unauthenticated("the challenge is too old or was used, or its signature is not the node's")
        }
        let bound = try await NodeRebinding(service: service).bind(entry.node, call).boundTo
        let (token, expires) = service.tokens.issue(
            .node(request.node.text, tailnet: bound.id, key: bound.key),
            at: call.time
        )
        service.nodes.seen(request.node, at: call.time)
        return Answer.body(SessionReply(token: token, expires: expires))
    }

    /// `POST /v1/node/report`: the one call that thousands of nodes make each minute.
    func report(_ call: Call) async throws -> Response {
        let node = try authenticate(call)
        let bytes = try await call.bytes(limit: NodeReport.byteLimit)
        let report: NodeReport
        do {
            report = try NodeReport.parse(bytes)
        } catch {
            throw Problem.malformed(error)
        }
        let time = call.time
        try await service.store.grouped.write { try $0.putReport(node: node, received: time, body: bytes) }
        guard let change = service.nodes.take(report, from: node, at: time) else {
            throw Problem.unauthenticated("node '\(node)' is not in the register")
        }
        if change.hasProgress || change.hasFacts || service.rollouts.hasOpen {
            try await service.rollouts.take(change, at: time)
        }
        return Answer.body(ReportReply(nextSeconds: service.options.reportSeconds, time: time))
    }

    /// `GET /v1/node/manifest?after=SEQUENCE&wait=SECONDS`.
    ///
    /// Who waited is looked at again before the answer: in a minute a tailnet key rotates, or a node is replaced.
    func manifest(_ call: Call) async throws -> Response {
        var call = call
        let node = try authenticate(call)
        let after = try call.number("after", default: 0)
        let wait = try call.wait()
        service.nodes.seen(node, at: call.time)
        let envelope = try await service.manifests.poll(
            node,
            after: after,
            seconds: wait,
            on: call.channel.eventLoop
        ) { [service] in
            call.identity = try await service.gate.identity(at: call.peer)
            _ = try authenticate(call)
        }
        guard let envelope else { return Answer.nothing }
        return Answer.bytes(envelope, type: "application/json")
    }

    /// The node whose session this is, being who it was on the tailnet when it opened the session.
    private func authenticate(_ call: Call) throws(Problem) -> NodeID {
        guard let bearer = call.bearer,
            case .node(let name, let tailnet, let key)? = service.tokens.caller(bearer, at: call.time),
            let id = NodeID(name)
        else {
            throw .unauthenticated("a node's session token is needed: POST /v1/node/challenge, then /v1/node/session")
        }
        let node = try known(id, call).node
        let bound = node.boundTo
        guard bound.id == call.identity.id, bound.key == call.identity.key, bound.id == tailnet, bound.key == key else {
            throw .unauthenticated("the tailnet key of node '\(id)' is another than its session's: open a new session")
        }
        return id
    }

    private func known(_ id: NodeID, _ call: Call) throws(Problem) -> NodeRegister.Entry {
        guard let entry = service.nodes[id] else {
            throw .unauthenticated("node '\(id)' is not enrolled here: run muster-agent enroll")
        }
        if case .other(let why) = NodeBinding.judge(entry.node, call.identity, from: call.peer) {
            throw .otherAddress(why)
        }
        return entry
    }
}
