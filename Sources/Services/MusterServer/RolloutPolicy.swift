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
        guard let hours = policy.hours(for: request(node)) else {
            return NamedHours(name: Self.never, hours: nil)
        }
        return hours.isAlways ? nil : NamedHours(name: hours.name, hours: hours)
    }

    /// Whether bake times are skipped.
    var skipsBake: Bool { isSecurity && statement.type == .upgrade && policy.urgency.letsSecuritySkipBake }
}

/// Hours by the name that the engine knows them by.
struct NamedHours: Sendable {
    let name: String
    /// The hours; nil where no rule lets the rollout change the node at any.
    let hours: PolicyHours?

    /// Why not, in words that fit every node that has no hours: one name is all that the engine knows of them.
    private static let refusal = "no rule of the policy allows this change, at whatever hour"

    /// What they say at `time`.
    func slot(at time: UTCTime) -> Slot {
        hours?.slot(at: time) ?? .closed(until: nil, reason: Self.refusal)
    }
}
