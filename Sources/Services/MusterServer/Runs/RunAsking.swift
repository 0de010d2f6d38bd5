import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import MusterPolicy
import MusterRun
import MusterStore
import MusterTrust

/// Runs are asked for, approved, denied and cancelled: what nodes will check is checked here first, for each of them.
struct RunAsking: Sendable {
    let service: FleetService

    /// Most nodes that a refusal names.
    private static let namedLimit = 10

    /// The moment that the policy is asked about: what is planned for tonight may be approved today.
    static func moment(of signed: SignedStatement, at time: UTCTime) -> UTCTime {
        guard case .run(let body) = signed.statement.body, let start = body.notBefore else { return time }
        return max(time, start)
    }

    /// A new run; the same answer again where it was asked for before.
    func ask(
        _ signed: SignedStatement,
        _ body: RunBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) async throws -> StatementReply {
        let id = signed.statement.id
        if let before = try await service.runs.run(id), before.statement.signedBytes == signed.signedBytes {
            return reply(before)
        }
        guard try await service.store.read({ try $0.statement(id) }) == nil else {
            throw Problem.conflict("statement \(id) was used before, for something else")
        }
        try require(signed.statement, body, check)
        let missing = try judge(signed, body, signers, check).missing
        guard let run = LiveRun(signed, signers: signers, missing: missing, asked: check.time) else {
            throw Problem.malformed("statement \(id) asks for no run")
        }
        let presence = service.runs.presence(for: run, at: check.time)
        let made = try await service.runs.create(run, at: check.time) { run, ledger in
            ledger.also { transaction in
                guard try transaction.add(signed, received: check.time) else {
                    throw Problem.conflict("statement \(id) was used before")
                }
            }
            ledger.log("run-asked", run: id, actor: signed.statement.requester.text, Self.event(run, body))
            if missing.isEmpty { ledger.apply(presence + [.approved], to: &run) }
        }
        return reply(made)
    }

    /// Adds an approver's signature, and lets the run go on once policy is content.
    func approve(_ id: RunID, _ signature: [UInt8], _ check: StatementCheck) async throws -> LiveRun {
        let presence = try await service.runs.run(id).map { service.runs.presence(for: $0, at: check.time) } ?? []
        return try await service.runs.change(id, at: check.time) { run, ledger in
            let (statement, name, missing) = try add(signature, to: run, check)
            run.statement = statement
            if !run.signers.contains(name) { run.signers.append(name) }
            run.missing = missing
            ledger.change(id)
            ledger.also { try $0.replace(statement) }
            ledger.log(
                "run-approved",
                run: id,
                actor: name.text,
                ["complete": .bool(missing.isEmpty), "missing": .string(missing)]
            )
            run.engine.noteChange()
            if missing.isEmpty { ledger.apply(presence + [.approved], to: &run) }
        }
    }

    /// Ends a run that has not begun: for its requester, and those who may approve it.
    func deny(_ id: RunID, _ reason: String, by name: OperatorName, _ check: StatementCheck) async throws -> LiveRun {
        try await service.runs.change(id, at: check.time) { run, ledger in
            guard run.engine.phase == .waiting || run.engine.phase == .scheduled, let body = run.body else {
                throw Problem.conflict("run \(id) is \(run.state.rawValue): it can only be cancelled")
            }
            if !run.signers.contains(name) {
                let may = try judge(run.statement, body, run.signers, check).approvers
                guard may.contains(name) else {
                    throw Problem.refused("\(name) is not asked to approve run \(id); anyone may cancel it")
                }
            }
            ledger.apply([.deny(reason: reason, by: name)], to: &run)
        }
    }

    /// Stops a run and what runs of it: anyone may.
    func cancel(_ id: RunID, _ reason: String, by name: OperatorName, at time: UTCTime) async throws -> LiveRun {
        try await service.runs.change(id, at: time) { run, ledger in
            guard run.engine.phase != .ended else { throw Problem.conflict("run \(id) is over: \(run.state.rawValue)") }
            guard run.engine.mayBeCancelled else { throw Problem.conflict("run \(id) is being cancelled already") }
            ledger.apply([.cancel(reason: reason, by: name)], to: &run)
        }
    }

    // MARK: - Checks

    private func add(
        _ signature: [UInt8],
        to run: LiveRun,
        _ check: StatementCheck
    ) throws(Problem) -> (SignedStatement, OperatorName, missing: String) {
        guard run.engine.phase == .waiting, let body = run.body else {
            throw .conflict("run \(run.id) waits for no approval: it is \(run.state.rawValue)")
        }
        let name = try check.signer(signature, of: run.statement)
        guard name != run.statement.statement.requester else {
            throw .refused("\(name) asked for it, so \(name) cannot approve it")
        }
        guard !run.signers.contains(name) else { throw .conflict("\(name) has approved it already") }
        guard run.statement.signatures.count < SignedStatement.signatureLimit else {
            throw .tooMany("the statement has \(SignedStatement.signatureLimit) signatures already")
        }
        var more = run.statement
        more.signatures.append(signature)
        let moment = Self.moment(of: more, at: check.time)
        let signers = try check.signers(more, deciding: moment)
        try require(more.statement, body, check)
        let before = try judge(run.statement, body, run.signers, check)
        guard before.approvers.contains(name) || before.missing.isEmpty else {
            let asked = before.approvers.sorted().map(\.text).joined(separator: ", ")
            throw .refused("\(name) may not approve this: ask \(asked)")
        }
        return (more, name, try judge(more, body, signers, check).missing)
    }

    /// What stands against it whatever the policy's rules say.
    private func require(_ statement: Statement, _ body: RunBody, _ check: StatementCheck) throws(Problem) {
        guard statement.expires <= statement.issued.adding(seconds: RunBody.statementLifetime) else {
            throw .notVerified("statement \(statement.id) lives longer than \(RunBody.statementLifetime / 86400) days")
        }
        if let start = body.notBefore, start >= statement.expires {
            throw .notVerified("statement \(statement.id) expires before it may begin")
        }
        let unknown = body.nodes.filter { service.nodes[$0] == nil }
        guard unknown.isEmpty else { throw .missing("there is no node \(Self.list(unknown.map(\.text)))") }
        let moment = max(check.time, body.notBefore ?? check.time)
        do throws(TrustRefusal) {
            let policy: FleetPolicy
            do throws(Problem) { policy = try check.policy() } catch { throw TrustRefusal(.notAllowed, error.detail) }
            if body.ssh != nil {
                _ = try RunOverSSH(statement, policy: policy, time: moment)
            } else {
                _ = try body.command(under: policy)
            }
        } catch {
            throw .notVerified(error.message)
        }
        for name in body.definition.secrets {
            let without = body.nodes.filter { body.sealed[name]?[$0] == nil }
            guard without.isEmpty else {
                throw .notVerified("secret '\(name)' is not sealed for \(names(without))")
            }
        }
    }

    /// What policy still asks for, and of whom; refuses where a node would.
    private func judge(
        _ signed: SignedStatement,
        _ body: RunBody,
        _ signers: [OperatorName],
        _ check: StatementCheck
    ) throws(Problem) -> (missing: String, approvers: Set<OperatorName>) {
        let moment = Self.moment(of: signed, at: check.time)
        var refusals: [String: [NodeID]] = [:]
        var missing = ""
        var most = 0
        var approvers: Set<OperatorName> = []
        for node in body.nodes {
            let facts = service.nodes[node]?.facts ?? NodeFacts(id: node, tags: [])
            let decision = try check.decide(signed.statement, signers: signers, node: facts, deciding: moment)
            switch decision {
            case .allowed: break
            case .needsApprovals(let shortage):
                approvers.formUnion(shortage.from)
                guard shortage.missing > most else { continue }
                most = shortage.missing
                missing = decision.description
            case .refused: refusals[decision.description, default: []].append(node)
            }
        }
        guard refusals.isEmpty else {
            let reasons = refusals.sorted { $0.value[0] < $1.value[0] }.prefix(Self.namedLimit)
            throw .refused(reasons.map { "\(names($0.value)): \($0.key)" }.joined(separator: "; "))
        }
        return (missing.bounded(4000), approvers)
    }

    private func names(_ nodes: [NodeID]) -> String {
        Self.list(nodes.map { service.nodes[$0]?.node.name ?? $0.text })
    }

    private static func list(_ names: [String]) -> String {
        let named = names.prefix(namedLimit).joined(separator: ", ")
        return names.count > namedLimit ? named + " and \(names.count - namedLimit) more" : named
    }

    // MARK: - Answers

    private func reply(_ run: LiveRun) -> StatementReply {
        guard run.engine.phase != .waiting else {
            return StatementReply(id: run.id, state: "waiting", detail: run.missing)
        }
        let count = run.engine.nodes.count
        let detail =
            run.engine.phase == .running
            ? "it runs on \(count) node\(count == 1 ? "" : "s")" : run.reason.bounded(1000)
        return StatementReply(id: run.id, state: "accepted", detail: detail)
    }

    private static func event(_ run: LiveRun, _ body: RunBody) -> JSONObject {
        var detail: JSONObject = [
            "command": JSONValue(body.command), "nodes": JSONValue(body.nodes), "signers": JSONValue(run.signers),
            "missing": .string(run.missing), "over_ssh": .bool(body.ssh != nil),
        ]
        if let selector = body.selector { detail["selector"] = .string(selector) }
        if let reason = body.reason { detail["reason"] = .string(reason) }
        return detail
    }
}
