import ByteCoding
import MusterModel
import MusterPolicy

/// What a run must be on one node, whether its agent carries it out or its requester comes over SSH.
struct RunCheck {
    let signed: SignedStatement
    let body: RunBody
    let policy: FleetPolicy
    let fleet: FleetID
    let node: NodeFacts

    /// What counted for the statement.
    struct Decision {
        let signers: [StatementSigner]
        let rule: String
        let approvers: [OperatorName]
    }

    private var what: String { "statement \(signed.statement.id)" }

    /// The statement by itself, its signatures and approvals, and what the policy says of it here.
    func decide(usedIDs: Set<StatementID>, at time: UTCTime) throws(TrustRefusal) -> Decision {
        let verdict = StatementVerifier.verify(
            signed,
            policy: policy,
            fleet: fleet,
            time: time,
            deciding: body.start(after: time),
            node: node,
            usedIDs: usedIDs
        )
        guard case .allowed(let rule, let approvers) = verdict.outcome else {
            throw verdict.refusal ?? TrustRefusal(.notAllowed, "\(what) is not allowed")
        }
        try checkLifetime()
        try checkNode()
        return Decision(signers: verdict.signers, rule: rule, approvers: approvers)
    }

    /// What must hold whatever the policy's rules say, and whatever tags the node has.
    func screen(at time: UTCTime) throws(TrustRefusal) {
        try StatementVerifier.checkRequest(signed, policy: policy, fleet: fleet, time: time)
        try checkLifetime()
        try checkNode()
        try checkAgent()
    }

    /// That it is for agents to run.
    func checkAgent() throws(TrustRefusal) {
        guard body.ssh == nil else {
            throw TrustRefusal(.overSSH, "\(what) is for its requester to run over SSH: no agent runs it")
        }
    }

    private func checkLifetime() throws(TrustRefusal) {
        let statement = signed.statement
        guard statement.expires <= statement.issued.adding(seconds: RunBody.statementLifetime) else {
            let days = RunBody.statementLifetime / 86400
            throw TrustRefusal(.lifetimeTooLong, "\(what) lives longer than \(days) days")
        }
    }

    private func checkNode() throws(TrustRefusal) {
        guard let id = node.id, body.nodes.contains(id) else {
            throw TrustRefusal(.notSelected, "\(what) names \(body.nodes.count) nodes, and this is none of them")
        }
    }

    /// The secret arguments as they were sealed for this node: one for each secret parameter.
    func sealed() throws(TrustRefusal) -> [ParameterName: [UInt8]] {
        guard let id = node.id else { return [:] }
        var sealed: [ParameterName: [UInt8]] = [:]
        for name in body.definition.secrets {
            guard let value = body.sealed[name]?[id] else {
                throw TrustRefusal(.secretMissing, "secret '\(name)' of \(what) was not sealed for this node")
            }
            sealed[name] = value
        }
        return sealed
    }
}
