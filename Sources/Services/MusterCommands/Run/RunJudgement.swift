import ByteCoding
import MusterAPI
import MusterModel
import MusterPolicy

/// What the trusted policy says to a run on each of its nodes, nodes with the same decision together.
struct RunJudgement: Sendable {
    struct Group: Sendable {
        let decision: PolicyDecision
        let names: [String]
    }

    let groups: [Group]

    /// `signers` is who has signed; `time` when it is to begin.
    init(
        _ body: RunBody,
        requester: OperatorName,
        signers: Set<OperatorName>,
        nodes: [NodeRecord],
        policy: FleetPolicy,
        time: UTCTime
    ) {
        let known = nodes.byID
        var order: [PolicyDecision] = []
        var names: [PolicyDecision: [String]] = [:]
        var seen: [Set<Tag>: PolicyDecision] = [:]
        let namesNodes = policy.rules.contains { $0.nodes.contains { if case .node = $0 { true } else { false } } }
        for id in body.nodes {
            let tags = Set(known[id]?.tags ?? [])
            // Two thousand nodes have few sets of tags among them.
            let decision: PolicyDecision
            if !namesNodes, let same = seen[tags] {
                decision = same
            } else {
                let request = PolicyRequest(
                    action: .run,
                    requester: requester,
                    signers: signers,
                    node: NodeFacts(id: id, tags: tags),
                    command: body.command
                )
                decision = policy.decide(request, time: time)
                seen[tags] = decision
            }
            if names[decision] == nil { order.append(decision) }
            names[decision, default: []].append(known[id]?.name ?? id.text)
        }
        groups = order.map { Group(decision: $0, names: names[$0] ?? []) }
    }

    /// The nodes on which it may never be done, and why; nil where there are none.
    var refusal: String? {
        let refused = groups.filter { if case .refused = $0.decision { true } else { false } }
        guard !refused.isEmpty else { return nil }
        return refused.map { group in
            groups.count == 1 ? "\(group.decision)" : "on \(NodeNames.folded(group.names)) \(group.decision)"
        }.joined(separator: "; ")
    }

    /// Approvals that are missing, over all nodes.
    var missing: Int {
        groups.reduce(0) { sum, group in
            if case .needsApprovals(let shortage) = group.decision {
                sum + shortage.missing * group.names.count
            } else {
                sum
            }
        }
    }

    var lines: [StyledText] {
        groups.map { group in
            let place = groups.count == 1 ? "" : " on \(NodeNames.folded(group.names))"
            return StyledText("  policy\(place): \(group.decision)", group.decision.isAllowed ? .plain : .warning)
        }
    }
}
