import ByteCoding
import MusterModel
import MusterPolicy

/// What the policy says to a request for a certificate, over the nodes that its statement selects.
///
/// Each node will decide again for itself; here an operator hears at once what will be refused there, and why.
public enum CertificateDecision: Hashable, Sendable {
    /// A node that the statement may select.
    public struct Target: Hashable, Sendable {
        /// What rules see of it.
        public let facts: NodeFacts
        /// What people call it.
        public let name: String
        /// Its sshd; nil where it is not known.
        public let version: OpenSSHVersion?

        /// A target.
        public init(facts: NodeFacts, name: String, version: OpenSSHVersion?) {
            self.facts = facts
            self.name = name
            self.version = version
        }
    }

    /// It may be issued, within this grant; `refusing` are selected nodes that will refuse it, with the reasons.
    case allowed(LoginGrant, targets: [Target], refusing: [String])
    /// Only approvals are missing, in words.
    case waiting(String)
    /// It may not be issued, and why.
    case refused(String)

    /// Most reasons of single nodes that are named.
    private static let named = 3

    /// Decides for a statement that these operators validly signed.
    public static func decide(
        _ statement: Statement,
        _ body: SSHCertificateBody,
        signers: Set<OperatorName>,
        policy: FleetPolicy,
        targets: [Target],
        time: UTCTime
    ) -> CertificateDecision {
        let selected = targets.filter { $0.facts.isSelected(by: body.nodes) }
        guard !selected.isEmpty else {
            let nodes = body.nodes.map(\.description).joined(separator: ", ")
            return .refused("no node of the fleet is selected by \(nodes)")
        }
        var allowed: [(target: Target, grant: LoginGrant)] = []
        var missing: [String] = []
        var refusing: [String] = []
        for target in selected {
            let request = PolicyRequest(statement, signers: signers, node: target.facts)
            let decision = policy.decide(request, time: time)
            switch decision {
            case .allowed:
                // A rule that allows logins at all grants something; else another one refuses in words.
                if let grant = policy.loginGrants(request, time: time).first {
                    allowed.append((target, grant))
                } else {
                    refusing.append("\(target.name): no rule grants a login")
                }
            case .needsApprovals: missing.append("\(target.name): \(decision)")
            case .refused: refusing.append("\(target.name): \(decision)")
            }
        }
        guard missing.isEmpty else { return .waiting(words(missing)) }
        guard let first = allowed.first else { return .refused(words(refusing)) }
        var grant = first.grant
        for (target, other) in allowed.dropFirst() {
            guard let common = grant.common(with: other) else {
                return .refused(
                    "rules force other commands on \(target.name) than on \(first.target.name): ask for each by itself"
                )
            }
            grant = common
        }
        return .allowed(grant, targets: allowed.map(\.target), refusing: refusing)
    }

    static func words(_ reasons: [String]) -> String {
        let more = reasons.count - named
        return reasons.prefix(named).joined(separator: "; ") + (more > 0 ? "; and \(more) more nodes" : "")
    }
}
