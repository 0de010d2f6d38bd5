import ByteCoding
import MusterModel
import MusterPolicy

extension CertificateDecision {
    /// Decides for a run that goes over SSH, which these operators validly signed and whose forced command is `line`.
    public static func decide(
        _ statement: Statement,
        _ body: RunBody,
        line: String,
        signers: Set<OperatorName>,
        policy: FleetPolicy,
        targets: [Target],
        time: UTCTime
    ) -> CertificateDecision {
        var grant: LoginGrant?
        var allowed: [Target] = []
        var missing: [String] = []
        var refusing: [String] = []
        for target in targets {
            let request = PolicyRequest(statement, signers: signers, node: target.facts)
            let decision = policy.decide(request, time: time)
            switch decision {
            case .allowed(let rule, let approvers):
                let seconds = body.ssh?.seconds ?? 0
                grant = grant ?? LoginGrant(run: line, rule: rule, approvers: approvers, seconds: seconds)
                allowed.append(target)
            case .needsApprovals: missing.append("\(target.name): \(decision)")
            case .refused: refusing.append("\(target.name): \(decision)")
            }
        }
        guard missing.isEmpty else { return .waiting(words(missing)) }
        guard let grant else {
            return .refused(refusing.isEmpty ? "none of its nodes is in the fleet" : words(refusing))
        }
        return .allowed(grant, targets: allowed, refusing: refusing)
    }
}
