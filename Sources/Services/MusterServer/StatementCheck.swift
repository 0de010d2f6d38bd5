import ByteCoding
import MusterAPI
import MusterModel
import MusterPolicy
import MusterTrust
import OpenSSHFormats

/// Checks what a node will check too, so that an operator hears of a mistake at once.
struct StatementCheck: Sendable {
    let publication: Publication
    let time: UTCTime

    /// The policy, or why there is none at the moment.
    func policy() throws(Problem) -> FleetPolicy {
        if let trouble = publication.policyTrouble(at: time) { throw .policyExpired(trouble) }
        guard let policy = publication.policy else { throw .policyExpired("there is none") }
        return policy
    }

    /// The operators who validly signed a statement that is for this fleet and this time, the requester first.
    ///
    /// The policy is asked about the moment `deciding`, where that is not now.
    func signers(_ signed: SignedStatement, deciding: UTCTime? = nil) throws(Problem) -> [OperatorName] {
        let verdict = StatementVerifier.verify(
            signed,
            policy: try policy(),
            fleet: publication.fleet,
            time: time,
            deciding: deciding,
            isSecurity: publication.releases.isSecurity(signed.statement)
        )
        if case .refused(let refusal) = verdict.outcome {
            throw refusal.code == .notAllowed ? .refused(refusal.message) : .notVerified(refusal.message)
        }
        let requester = signed.statement.requester
        return [requester] + verdict.signers.map(\.name).filter { $0 != requester }
    }

    /// The operator whose signature over the statement this is.
    func signer(_ blob: [UInt8], of signed: SignedStatement) throws(Problem) -> OperatorName {
        try signer(blob, of: signed.signedBytes, namespace: signed.statement.type.namespace).name
    }

    /// The operator, and the key, whose signature over some bytes this is.
    func signer(
        _ blob: [UInt8],
        of message: [UInt8],
        namespace: String
    ) throws(Problem) -> (name: OperatorName, key: SSHPublicKey) {
        let signature: SSHSignature
        do throws(SSHFormatError) {
            signature = try SSHSignature(blob: blob)
        } catch {
            throw .malformed("the signature cannot be read: \(error)")
        }
        let policy = try policy()
        guard let owner = policy.owner(of: signature.publicKey) else {
            throw .notVerified("key \(signature.publicKey) is not in the policy")
        }
        if let obstacle = policy.obstacle(to: owner.key, of: owner.name, at: time) { throw .notVerified(obstacle) }
        switch signature.verify(message: message, namespace: namespace, requireTouch: owner.key.requiresTouch) {
        case .valid: return (owner.name, signature.publicKey)
        case .otherNamespace:
            throw .notVerified("the signature of \(owner.name) was made for another purpose than \(namespace)")
        case .untouched: throw .notVerified("the security key of \(owner.name) was not touched")
        case .invalid: throw .notVerified("the signature of \(owner.name) does not fit")
        }
    }

    /// What the policy says to a statement with these signers, for one node.
    func decide(
        _ statement: Statement,
        signers: [OperatorName],
        node: NodeFacts?,
        hours: FleetPolicy.HourCounting = .judged,
        deciding: UTCTime? = nil
    ) throws(Problem) -> PolicyDecision {
        try policy().decide(request(statement, signers, node), time: deciding ?? time, hours: hours)
    }

    /// The question that a statement with these signers is.
    private func request(_ statement: Statement, _ signers: [OperatorName], _ node: NodeFacts?) -> PolicyRequest {
        var request = PolicyRequest(statement, signers: Set(signers), node: node)
        request.isSecurity = publication.releases.isSecurity(statement)
        return request
    }

    // MARK: - Hours
    //
    // What may begin tonight may be asked for and approved today: the service and the node hold it until then.

    /// The first moment from now on at which no hour of the policy stands against a package change; now where waiting does
    /// not help, or only after the statement's end.
    func moment(of statement: Statement) throws(Problem) -> UTCTime {
        guard statement.body.packageChange != nil else { return time }
        let request = request(statement, [statement.requester], nil)
        return try policy().moment(request, from: time, before: statement.expires)
    }

    /// Whether the policy's hours let nothing begin on the node before the statement's end.
    func neverOpens(_ statement: Statement, signers: [OperatorName], node: NodeFacts?) throws(Problem) -> Bool {
        guard let slot = try policy().hours(for: request(statement, signers, node))?.slot(at: time), !slot.isOpen else {
            return false
        }
        return slot.until.map { $0 >= statement.expires } ?? true
    }

    /// Why nothing may begin now.
    func closing(_ statement: Statement, signers: [OperatorName]) throws(Problem) -> String {
        let slot = try policy().hours(for: request(statement, signers, nil))?.slot(at: time)
        return slot?.reason ?? "no node may be changed"
    }

    /// Refuses what the policy does not allow outright.
    func require(_ statement: Statement, signers: [OperatorName], node: NodeFacts?) throws(Problem) {
        let decision = try decide(statement, signers: signers, node: node)
        guard decision.isAllowed else { throw .refused("\(decision)") }
    }
}
