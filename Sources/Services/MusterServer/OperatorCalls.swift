import ByteCoding
import CanonicalJSON
import Hummingbird
import MusterAPI
import MusterModel
import MusterPolicy
import MusterStore
import OpenSSHFormats
import SignatureVerification

/// Sessions of operators, and what they read.
struct OperatorCalls: Sendable {
    let service: FleetService
    private static let audience = "operator"

    /// `POST /v1/operator/challenge`.
    func challenge(_ call: Call) async throws -> Response {
        _ = try await call.bytes(limit: 4096)
        try requireLogin(try service.repository.publication(), at: call.time)
        return Answer.body(ChallengeReply(challenge: service.tokens.challenge(for: Self.audience, at: call.time)))
    }

    /// `POST /v1/operator/session`.
    func session(_ call: Call) async throws -> Response {
        let request: OperatorSessionRequest = try await call.body()
        let publication = try service.repository.publication()
        try requireLogin(publication, at: call.time)
        guard service.tokens.isOurs(request.challenge, for: Self.audience, at: call.time) else {
            throw Problem.unauthenticated("the challenge is too old, or not from here")
        }
        let proof = OperatorSessionRequest.proof(fleet: publication.fleet, challenge: request.challenge)
        let check = StatementCheck(publication: publication, time: call.time)
        let signer: (name: OperatorName, key: [UInt8])
        do throws(Problem) {
            let found = try check.signer(
                request.signature,
                of: proof.canonicalBytes,
                namespace: OperatorSessionRequest.namespace
            )
            signer = (found.name, Digest.sha256(found.key.blob))
        } catch {
            throw error.status == 422 ? Problem.unauthenticated(error.detail) : error
        }
        guard service.tokens.take(request.challenge, for: Self.audience, at: call.time) else {
            throw Problem.unauthenticated("the challenge was used before")
        }
        let (token, expires) = service.tokens.issue(.person(signer.name.text, key: signer.key), at: call.time)
        return Answer.body(SessionReply(token: token, expires: expires, operatorName: signer.name.text))
    }

    /// The operator whose session this is; the key must still be in the policy and unexpired.
    func authenticate(_ call: Call) throws(Problem) -> OperatorName {
        guard let bearer = call.bearer,
            case .person(let text, let digest)? = service.tokens.caller(bearer, at: call.time),
            let name = OperatorName(text)
        else { throw .unauthenticated("an operator's session token is needed: the muster command gets one") }
        let publication = try service.repository.publication()
        try requireLogin(publication, at: call.time)
        let policy = try StatementCheck(publication: publication, time: call.time).policy()
        guard let key = policy.operators[name]?.keys.first(where: { Digest.sha256($0.publicKey.blob) == digest }) else {
            throw .unauthenticated("the key that \(name) logged in with is no longer in the policy")
        }
        if let obstacle = policy.obstacle(to: key, of: name, at: call.time) { throw .unauthenticated(obstacle) }
        return name
    }

    /// Says so where nobody can log in, so that no operator looks for a mistake of their own.
    private func requireLogin(_ publication: Publication, at time: UTCTime) throws(Problem) {
        if let trouble = publication.loginTrouble(at: time) { throw .policyExpired(trouble) }
    }

    /// The operator who may read: by a session, or recognised by the tailnet login of the address.
    func reader(_ call: Call) throws(Problem) -> OperatorName {
        guard call.bearer == nil else { return try authenticate(call) }
        let publication = try service.repository.publication()
        try requireLogin(publication, at: call.time)
        let policy = try StatementCheck(publication: publication, time: call.time).policy()
        guard let name = recognition(call).find(policy) else {
            throw .unauthenticated(
                "an operator's session token is needed (the muster command gets one), or for reading a tailnet login "
                    + "that the policy gives to one operator"
            )
        }
        return name
    }

    private func recognition(_ call: Call) -> OperatorRecognition {
        OperatorRecognition(call: call, gate: service.gate, usesTLS: service.options.tls != nil)
    }

    /// `GET /v1/whoami`: for anybody.
    func whoami(_ call: Call) throws(Problem) -> Response {
        let identity = TailnetRecord(call.identity)
        guard let bearer = call.bearer else {
            let policy = service.repository.current.flatMap { publication in
                publication.loginTrouble(at: call.time) == nil ? publication.policy : nil
            }
            let name = policy.flatMap { recognition(call).find($0) }
            return Answer.body(
                WhoAmI(
                    address: call.peer,
                    identity: identity,
                    operatorName: name?.text ?? "",
                    means: name == nil ? .none : .tailnet
                )
            )
        }
        guard let session = service.tokens.session(bearer, at: call.time) else {
            throw .unauthenticated("the session has ended")
        }
        guard case .person = session.caller else {
            return Answer.body(WhoAmI(address: call.peer, identity: identity, sessionExpires: session.expires))
        }
        return Answer.body(
            WhoAmI(
                address: call.peer,
                identity: identity,
                operatorName: try authenticate(call).text,
                means: .session,
                sessionExpires: session.expires
            )
        )
    }

    /// `GET /v1/nodes`.
    func nodes(_ call: Call) async throws -> Response {
        _ = try reader(call)
        let targets = await service.rollouts.targets()
        let view = NodeView(service: service, time: call.time)
        return Answer.json(["items": .array(service.nodes.all.map { view.record($0, targets).json })])
    }

    /// `GET /v1/nodes/{id}`, by id or by name.
    func node(_ call: Call, _ text: String) async throws -> Response {
        _ = try reader(call)
        let found = try find(text)
        let targets = await service.rollouts.targets()
        var record = NodeView(service: service, time: call.time).record(found, targets)
        record.key?.successions = try await service.nodeKeys.successions(of: found.node.id)
        return Answer.body(record)
    }

    /// A node by id or by name.
    func find(_ text: String) throws(Problem) -> NodeRegister.Entry {
        let found = NodeID(text).flatMap { service.nodes[$0] } ?? service.nodes.all.first { $0.node.name == text }
        guard let found else { throw .missing("there is no node '\(text)'") }
        return found
    }

    /// `GET /v1/enrollments`.
    func enrollments(_ call: Call) async throws -> Response {
        _ = try reader(call)
        let pending = try await service.store.read { try $0.pendingEnrollments() }
        return Answer.body(
            List(
                pending.map {
                    PendingEnrollment(
                        code: $0.code,
                        name: $0.name,
                        nodeKey: $0.key,
                        address: $0.address,
                        asked: $0.asked,
                        tailnet: service.tailnetRecord($0.tailnet)
                    )
                }
            )
        )
    }

    /// `GET /v1/events?after=SEQUENCE&wait=SECONDS`.
    func events(_ call: Call) async throws -> Response {
        _ = try reader(call)
        let after = try call.number("after", default: 0)
        let wait = try call.wait()
        let mark = service.eventPolls.mark(0)
        var events = try await service.store.read { try $0.events(after: after, limit: 1000) }
        if events.isEmpty, wait > 0 {
            await service.eventPolls.wait(for: 0, after: mark, seconds: wait, on: call.channel.eventLoop)
            events = try await service.store.read { try $0.events(after: after, limit: 1000) }
        }
        return Answer.json(["items": .array(events)])
    }
}
