import ByteCoding
import CanonicalJSON
import Hummingbird
import MusterAPI
import MusterModel
import MusterStore
import SignatureVerification

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
        let (token, expires) = service.tokens.issue(
            .node(request.node.text, address: entry.node.address),
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
    func manifest(_ call: Call) async throws -> Response {
        let node = try authenticate(call)
        let after = try call.number("after", default: 0)
        let wait = try call.wait()
        service.nodes.seen(node, at: call.time)
        guard
            let envelope = try await service.manifests.poll(
                node,
                after: after,
                seconds: wait,
                on: call.channel.eventLoop
            )
        else { return Answer.nothing }
        return Answer.bytes(envelope, type: "application/json")
    }

    /// The node whose session this is, calling from the address it is bound to.
    private func authenticate(_ call: Call) throws(Problem) -> NodeID {
        guard let bearer = call.bearer,
            case .node(let name, let address)? = service.tokens.caller(bearer, at: call.time),
            let node = NodeID(name)
        else {
            throw .unauthenticated("a node's session token is needed: POST /v1/node/challenge, then /v1/node/session")
        }
        guard call.peer == address else {
            throw .otherAddress("node '\(node)' is bound to \(address), the request comes from \(call.peer)")
        }
        return node
    }

    private func known(_ node: NodeID, _ call: Call) throws(Problem) -> NodeRegister.Entry {
        guard let entry = service.nodes[node] else {
            throw .unauthenticated("node '\(node)' is not enrolled here: run muster-agent enroll")
        }
        guard call.peer == entry.node.address else {
            throw .otherAddress("node '\(node)' is bound to \(entry.node.address), the request comes from \(call.peer)")
        }
        return entry
    }
}
