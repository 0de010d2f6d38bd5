import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterIdentity
import MusterModel
import MusterPolicy
import MusterStore

/// What operators do to single nodes: extend an expired key, exempt a key from expiry, remove a node.
///
/// Each is a statement whose id counts once, a decision of the policy, and one transaction with its event.
struct NodeStatements: Sendable {
    let service: FleetService

    /// `extend-node`: half an hour from now on.
    func extend(
        _ signed: SignedStatement,
        _ body: ExtendNodeBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) async throws -> StatementReply {
        let name = try allowed(signed, signers, check, on: body.node)
        let until = try await service.nodeKeys.change(body.node) { transaction, stored in
            guard stored.keyLife.extend(at: check.time) else {
                let why = stored.keyLife.isExempt ? "is exempt from expiry" : "is good until \(stored.keyLife.expires)"
                throw Problem.conflict("the key of \(name) \(why): it needs no extension")
            }
            let until = check.time.adding(seconds: NodeKeyLife.extensionSeconds)
            try Self.record(
                signed,
                "node-extended",
                stored,
                body.reason,
                ["until": .integer(until.milliseconds)],
                check,
                transaction
            )
            return until
        }
        try await service.changed(body.node, at: check.time)
        return StatementReply(
            id: signed.statement.id,
            state: "accepted",
            detail: "\(name) may act until \(until.wholeSeconds); its agent replaces the expired key by itself"
        )
    }

    /// `exempt-node`: until another one ends it.
    func exempt(
        _ signed: SignedStatement,
        _ body: ExemptNodeBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) async throws -> StatementReply {
        let name = try allowed(signed, signers, check, on: body.node)
        let life = try await service.nodeKeys.change(body.node) { transaction, stored in
            guard stored.keyLife.exempt(body.isExempt) else {
                throw Problem.conflict("\(name) \(body.isExempt ? "is exempt already" : "is not exempt")")
            }
            let event = body.isExempt ? "node-exempted" : "node-exemption-ended"
            try Self.record(signed, event, stored, body.reason, [:], check, transaction)
            return stored.keyLife
        }
        try await service.changed(body.node, at: check.time)
        let verb = life.expires <= check.time ? "expired" : "expires"
        let detail = body.isExempt ? "its key does not expire any more" : "its key \(verb) at \(life.expires)"
        return StatementReply(id: signed.statement.id, state: "accepted", detail: "\(name): \(detail)")
    }

    /// `remove-node`: for good.
    func remove(
        _ signed: SignedStatement,
        _ body: RemoveNodeBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) async throws -> StatementReply {
        let name = try allowed(signed, signers, check, on: body.node)
        try await service.nodeKeys.change(body.node) { transaction, stored in
            try Self.record(signed, "node-removed", stored, body.reason, [:], check, transaction)
            try transaction.remove(stored, reason: body.reason, at: check.time)
        }
        try await service.left(body.node, reason: body.reason, at: check.time)
        return StatementReply(
            id: signed.statement.id,
            state: "accepted",
            detail: "\(name) (\(body.node)) is no longer in the fleet"
        )
    }

    /// The node's name, where the policy allows the statement there.
    private func allowed(
        _ signed: SignedStatement,
        _ signers: [OperatorName],
        _ check: StatementCheck,
        on node: NodeID
    ) throws -> String {
        guard let entry = service.nodes[node] else {
            if let reason = service.nodes.removal(node) {
                throw Problem.missing("node '\(node)' was removed: \(reason)")
            }
            throw Problem.missing("there is no node '\(node)'")
        }
        try check.require(signed.statement, signers: signers, node: entry.facts)
        return entry.node.name
    }

    private static func record(
        _ signed: SignedStatement,
        _ event: String,
        _ node: StoredNode,
        _ reason: String,
        _ more: JSONObject,
        _ check: StatementCheck,
        _ transaction: StoreTransaction
    ) throws {
        let statement = signed.statement
        guard try transaction.add(signed, received: check.time) else {
            throw Problem.conflict("statement \(statement.id) was used before")
        }
        var detail = more
        detail["node"] = JSONValue(node.id)
        detail["name"] = .string(node.name)
        detail["reason"] = .string(reason)
        detail["statement"] = JSONValue(statement.id)
        try transaction.append(
            event: event,
            actor: statement.requester.text,
            detail: .object(detail),
            at: check.time
        )
    }
}
