import ByteCoding
import CanonicalJSON
import Hummingbird
import MusterAPI
import MusterModel
import MusterPolicy
import MusterRollout
import MusterStore

/// What operators ask for: signed statements, and the course of the rollouts that they started.
struct StatementCalls: Sendable {
    let service: FleetService
    private var nodeStatements: NodeStatements { NodeStatements(service: service) }

    /// `POST /v1/statements`.
    func take(_ call: Call) async throws -> Response {
        _ = try service.operators.authenticate(call)
        let signed = try await statement(call)
        let publication = try service.repository.publication()
        let check = StatementCheck(publication: publication, time: call.time)
        let moment =
            signed.statement.type == .run
            ? RunAsking.moment(of: signed, at: call.time) : try check.moment(of: signed.statement)
        let signers = try check.signers(signed, deciding: moment)
        let reply =
            switch signed.statement.body {
            case .enroll(let body): try await enroll(signed, body, signers, check)
            case .tagNode(let body): try await tag(signed, body, signers, check)
            case .upgrade(let body), .rollBack(let body): try await roll(signed, body, signers, check)
            case .extendNode(let body): try await nodeStatements.extend(signed, body, signers, check)
            case .exemptNode(let body): try await nodeStatements.exempt(signed, body, signers, check)
            case .removeNode(let body): try await nodeStatements.remove(signed, body, signers, check)
            case .revoke(let body): try await Revoking(service: service).revoke(signed, body, signers, check)
            case .run(let body): try await RunAsking(service: service).ask(signed, body, signers, check)
            case .sshCertificate:
                throw Problem.malformed("an ssh-certificate statement goes to POST /v1/ssh/certificates")
            }
        return Answer.body(reply, status: .created)
    }

    private func statement(_ call: Call) async throws -> SignedStatement {
        let bytes = try await call.bytes(limit: SignedStatement.byteLimit)
        do {
            return try SignedStatement(try JSONFields(try JSONValue.parse(bytes, limit: SignedStatement.byteLimit)))
        } catch {
            throw Problem.malformed(error)
        }
    }

    private func enroll(
        _ signed: SignedStatement,
        _ body: EnrollBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) async throws -> StatementReply {
        try check.require(signed.statement, signers: signers, node: nil)
        let id = signed.statement.id
        switch body.proof {
        case .nodeKey(let key):
            let detail = try await service.enrollments.approve(signed, body, key: key, at: check.time)
            return StatementReply(id: id, state: "accepted", detail: detail)
        case .secret(let digest, let uses):
            try await service.store.write { transaction in
                guard try transaction.add(signed, received: check.time) else {
                    throw Problem.conflict("statement \(id) was used before")
                }
                guard try transaction.addSecret(sha256: digest, uses: uses, statement: signed.statement) else {
                    throw Problem.conflict("another token has this secret")
                }
                try transaction.append(
                    event: "token-made",
                    actor: signed.statement.requester.text,
                    detail: ["statement": JSONValue(id), "tags": JSONValue(body.tags), "uses": .integer(Int64(uses))],
                    at: check.time
                )
            }
            let detail = "the token lets \(uses) node\(uses == 1 ? "" : "s") join until \(signed.statement.expires)"
            return StatementReply(id: id, state: "accepted", detail: detail)
        }
    }

    private func tag(
        _ signed: SignedStatement,
        _ body: TagNodeBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) async throws -> StatementReply {
        guard let entry = service.nodes[body.node] else { throw Problem.missing("there is no node '\(body.node)'") }
        let facts = NodeFacts(id: body.node, tags: Set(entry.node.tags))
        try check.require(signed.statement, signers: signers, node: facts)
        let statement = signed.statement
        try await service.store.write { transaction in
            let enrolled = try transaction.statement(entry.node.statement)?.statement.issued
            let newest = try [enrolled, transaction.newestTagging(of: body.node)].compactMap(\.self).max()
            if let newest, statement.issued <= newest {
                throw Problem.conflict(
                    "the node's tags were given by a statement issued at \(newest): issue a newer one"
                )
            }
            guard try transaction.add(signed, received: check.time) else {
                throw Problem.conflict("statement \(statement.id) was used before")
            }
            try transaction.addTagging(statement, node: body.node, tags: body.tags)
            try transaction.append(
                event: "node-tagged",
                actor: statement.requester.text,
                detail: [
                    "node": JSONValue(body.node), "tags": JSONValue(body.tags), "statement": JSONValue(statement.id),
                ],
                at: check.time
            )
        }
        service.nodes.update(body.node) { $0.tags = body.tags }
        try await service.changed(body.node, at: check.time)
        let tags = body.tags.isEmpty ? "no tags" : "the tags " + body.tags.map(\.text).joined(separator: ", ")
        return StatementReply(id: statement.id, state: "accepted", detail: "\(entry.node.name) has \(tags)")
    }

    private func roll(
        _ signed: SignedStatement,
        _ body: UpgradeBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) async throws -> StatementReply {
        try RolloutSelection(signed.statement, body, check.publication.releases).checkTargets()
        let missing = try await service.rollouts.missing(signed.statement, signers, check)
        try await service.rollouts.create(signed, signers: signers, missing: missing, at: check.time)
        let id = signed.statement.id
        guard missing.isEmpty else { return StatementReply(id: id, state: "waiting", detail: missing) }
        return StatementReply(id: id, state: "accepted", detail: "\(body.package) \(body.version) is rolling out")
    }

    // MARK: - Rollouts

    /// `GET /v1/rollouts`.
    func rollouts(_ call: Call) async throws -> Response {
        _ = try service.operators.reader(call)
        return Answer.body(List(try await service.rollouts.records(limit: 1000)))
    }

    /// `GET /v1/rollouts/{id}?after=REVISION&wait=SECONDS`.
    func rollout(_ call: Call, _ text: String) async throws -> Response {
        _ = try service.operators.reader(call)
        let id = try id(text)
        let after = try call.number("after", default: -1)
        let wait = try call.wait()
        let polls = service.rollouts.polls
        let mark = polls.mark(id)
        var record = try await self.record(id)
        if wait > 0, record.revision <= after {
            await polls.wait(for: id, after: mark, seconds: wait, on: call.channel.eventLoop)
            record = try await self.record(id)
        }
        return Answer.body(record)
    }

    /// `POST /v1/rollouts/{id}/approve`, `/halt`, `/resume`, `/cancel`.
    func control(_ call: Call, _ text: String, _ action: String) async throws -> Response {
        let name = try service.operators.authenticate(call)
        let id = try id(text)
        let present = try await record(id)
        switch action {
        case "approve":
            let request: ApprovalRequest = try await call.body()
            let check = StatementCheck(publication: try service.repository.publication(), time: call.time)
            try await service.rollouts.approve(id, request.signature, check: check, at: call.time)
        case "halt":
            let request: ReasonRequest = try await call.body()
            try await service.rollouts.control(id, .halt(reason: request.reason, by: name), at: call.time)
        case "cancel":
            let request: ReasonRequest = try await call.body()
            try await service.rollouts.control(id, .cancel(reason: request.reason, by: name), at: call.time)
        case "resume":
            let _: ReasonRequest = try await call.body()
            try mayResume(present, name, at: call.time)
            try await service.rollouts.control(id, .resume(by: name), at: call.time)
        default: throw Problem.missing("a rollout can be approved, halted, resumed and cancelled")
        }
        return Answer.body(try await record(id))
    }

    /// Anyone may stop a rollout; to let it go on is for those who signed it or could have asked for it.
    private func mayResume(_ rollout: RolloutRecord, _ name: OperatorName, at time: UTCTime) throws(Problem) {
        guard !rollout.signers.contains(name) else { return }
        let policy = try StatementCheck(publication: try service.repository.publication(), time: time).policy()
        var request = PolicyRequest(rollout.statement.statement, signers: [name], node: nil)
        request.requester = name
        if case .refused(let reasons) = policy.decide(request, time: time) {
            throw .refused("\(name) may not resume this rollout: \(PolicyDecision.refused(reasons))")
        }
    }

    private func record(_ id: RolloutID) async throws -> RolloutRecord {
        guard let record = try await service.rollouts.record(id) else {
            throw Problem.missing("there is no rollout '\(id)'")
        }
        return record
    }

    private func id(_ text: String) throws(Problem) -> RolloutID {
        guard let id = RolloutID(text) else { throw .missing("there is no rollout '\(text)'") }
        return id
    }
}
