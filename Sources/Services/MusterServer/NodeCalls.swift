import ByteCoding
import CanonicalJSON
import Hummingbird
import MusterAPI
import MusterIdentity
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
        // The one in use, the one that is to follow it, then one that a register that was put back has not heard of.
        let life = entry.node.keyLife
        let keys = [life.key, life.next?.key, request.successions.last?.newKey].compactMap(\.self)
        guard service.tokens.isOurs(request.challenge, for: request.node.text, at: call.time),
            let key = keys.first(where: {
                Ed25519.verify(signature: request.signature, message: proof.canonicalBytes, publicKey: $0)
            }),
            service.tokens.take(request.challenge, for: request.node.text, at: call.time)
        else {
            throw Problem.unauthenticated("the challenge is too old or was used, or its signature is not the node's")
        }
        try await service.nodeKeys.use(
            key,
            of: request.node,
            by: request.successions,
            fleet: fleet,
            at: call.time
        )
        let bound = try await NodeRebinding(service: service).bind(entry.node, call).boundTo
        let (token, expires) = service.tokens.issue(
            .node(request.node.text, tailnet: bound.id, key: bound.key, nodeKey: Array(key.prefix(8))),
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
        if let logins = report.ssh?.logins, !logins.isEmpty {
            try await RogueLogins(service: service).check(logins, on: node, at: time)
        }
        let notice = NodeKeyNotice(change.entry.node.keyLife, at: time)
        return Answer.body(ReportReply(nextSeconds: service.options.reportSeconds, time: time, key: notice))
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

    /// `POST /v1/node/reach`.
    func reach(_ call: Call) async throws -> Response {
        let node = try authenticate(call)
        let request: ReachRequest = try await call.body()
        service.nodes.seen(node, at: call.time)
        return Answer.body(try Reaching(service: service).take(request, from: node, call))
    }

    /// `POST /v1/node/key`: a new key, signed by the present one and by itself.
    func replaceKey(_ call: Call) async throws -> Response {
        let node = try authenticate(call)
        let request: NodeKeyRequest = try await call.body()
        let fleet = try service.repository.publication().fleet
        return Answer.body(try await service.nodeKeys.offer(request, from: node, fleet: fleet, at: call.time))
    }

    /// `POST /v1/node/host-certificate`.
    func hostCertificate(_ call: Call) async throws -> Response {
        let node = try authenticate(call)
        return try await SSHCalls(service: service).hostCertificates(call, try known(node, call))
    }

    /// `POST /v1/node/runs/{id}`: how far the node is with a run.
    func run(_ call: Call, _ text: String) async throws -> Response {
        let node = try authenticate(call)
        let id = try RunCalls.id(text)
        let update: RunUpdate = try await call.body()
        service.nodes.seen(node, at: call.time)
        return Answer.body(try await RunDelivery(service: service).take(update, of: id, from: node, at: call.time))
    }

    /// The node whose session this is, being who it was on the tailnet when it opened the session.
    ///
    /// A session dies with the node key that opened it, too.
    private func authenticate(_ call: Call) throws(Problem) -> NodeID {
        guard let bearer = call.bearer,
            case .node(let name, let tailnet, let key, let nodeKey)? = service.tokens.caller(bearer, at: call.time),
            let id = NodeID(name)
        else {
            throw .unauthenticated("a node's session token is needed: POST /v1/node/challenge, then /v1/node/session")
        }
        let node = try known(id, call).node
        guard node.key.starts(with: nodeKey) else {
            throw .unauthenticated("the key of node '\(id)' was replaced: open a session with the new one")
        }
        let bound = node.boundTo
        guard bound.id == call.identity.id, bound.key == call.identity.key, bound.id == tailnet, bound.key == key else {
            throw .unauthenticated("the tailnet key of node '\(id)' is another than its session's: open a new session")
        }
        return id
    }

    private func known(_ id: NodeID, _ call: Call) throws(Problem) -> NodeRegister.Entry {
        guard let entry = service.nodes[id] else { throw unknown(id) }
        if case .other(let why) = NodeBinding.judge(entry.node, call.identity, from: call.peer) {
            throw .otherAddress(why)
        }
        return entry
    }

    private func unknown(_ node: NodeID) -> Problem {
        if let reason = service.nodes.removal(node) { return .nodeRemoved(node.text, reason) }
        return .unauthenticated("node '\(node)' is not enrolled here: run muster-agent enroll")
    }
}
