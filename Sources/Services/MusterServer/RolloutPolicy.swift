import ByteCoding
import MusterModel
import MusterPolicy
import MusterRollout

/// What the policy says of one rollout: when it may change which node, how many at once, and what it need not wait for.
struct RolloutPolicy: Sendable {
    let policy: FleetPolicy
    let statement: Statement
    let signers: Set<OperatorName>
    let isSecurity: Bool

    /// Hours that never come, for nodes that no rule lets the rollout change.
    private static let never = "no rule"

    /// The question about one node.
    func request(_ node: NodeFacts?) -> PolicyRequest {
        var request = PolicyRequest(statement, signers: signers, node: node)
        request.isSecurity = isSecurity
        return request
    }

    /// The hours in which the node may be changed: what they are called and what they say; nil for always.
    func hours(of node: NodeFacts) -> NamedHours? {
        let request = request(node)
        guard let hours = policy.hours(for: request) else {
            return NamedHours(
                name: Self.never,
                hours: nil,
                refusal: "\(policy.decide(request, time: statement.issued))"
            )
        }
        return hours.isAlways ? nil : NamedHours(name: hours.name, hours: hours, refusal: "")
    }

    /// Whether bake times are skipped.
    var skipsBake: Bool { isSecurity && statement.type == .upgrade && policy.urgency.letsSecuritySkipBake }
}

/// Hours by the name that the engine knows them by.
struct NamedHours: Sendable {
    let name: String
    /// The hours; nil where no rule lets the rollout change the node at any.
    let hours: PolicyHours?
    /// Why not.
    let refusal: String

    /// What they say at `time`.
    func slot(at time: UTCTime) -> Slot {
        hours?.slot(at: time) ?? .closed(until: nil, reason: refusal)
    }
}
