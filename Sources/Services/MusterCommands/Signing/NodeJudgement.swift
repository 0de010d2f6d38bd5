import ByteCoding
import MusterAPI
import MusterModel
import MusterPolicy

/// What the trusted policy says to a request on each of its nodes, nodes with the same decision together.
struct NodeJudgement: Sendable {
    struct Group: Sendable {
        let decision: PolicyDecision
        let names: [String]
    }

    let groups: [Group]

    /// Asks `request` for each of the nodes `ids`; where there are none, whether there is any place at all.
    init(
        _ request: PolicyRequest,
        on ids: [NodeID],
        nodes: [NodeRecord],
        policy: FleetPolicy,
        time: UTCTime,
        hours: FleetPolicy.HourCounting = .judged
    ) {
        guard !ids.isEmpty else {
            groups = [Group(decision: policy.decide(request, time: time, hours: hours), names: ["any node"])]
            return
        }
        let known = nodes.byID
        var order: [PolicyDecision] = []
        var names: [PolicyDecision: [String]] = [:]
        var seen: [Set<Tag>: PolicyDecision] = [:]
        let namesNodes = policy.rules.contains { !$0.nodes.allSatisfy(\.isWide) }
        for id in ids {
            let tags = Set(known[id]?.tags ?? [])
            // Two thousand nodes have few sets of tags among them.
            let decision: PolicyDecision
            if !namesNodes, let same = seen[tags] {
                decision = same
            } else {
                var request = request
                request.node = NodeFacts(id: id, tags: tags)
                decision = policy.decide(request, time: time, hours: hours)
                seen[tags] = decision
            }
            if names[decision] == nil { order.append(decision) }
            names[decision, default: []].append(known[id]?.name ?? id.text)
        }
        groups = order.map { Group(decision: $0, names: names[$0] ?? []) }
    }

    /// The nodes on which it may never be done, and why; nil where there are none.
    var refusal: String? {
        let refused = groups.filter(\.isRefused)
        guard !refused.isEmpty else { return nil }
        return refused.map { group in
            groups.count == 1 ? "\(group.decision)" : "on \(NodeNames.folded(group.names)) \(group.decision)"
        }.joined(separator: "; ")
    }

    /// Whether there is no node on which it may be done.
    var isRefusedEverywhere: Bool { groups.allSatisfy(\.isRefused) }

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

extension NodeJudgement.Group {
    var isRefused: Bool {
        if case .refused = decision { true } else { false }
    }
}

extension NodeJudgement {
    /// The same for a run; `signers` is who has signed, `time` when it is to begin.
    init(
        _ body: RunBody,
        requester: OperatorName,
        signers: Set<OperatorName>,
        nodes: [NodeRecord],
        policy: FleetPolicy,
        time: UTCTime
    ) {
        let request = PolicyRequest(
            action: .run,
            requester: requester,
            signers: signers,
            node: nil,
            command: body.command
        )
        self.init(request, on: body.nodes, nodes: nodes, policy: policy, time: time)
    }
}

extension [NodeRecord] {
    /// Those that the selectors mean.
    func selected(by selectors: [NodeSelector]) -> [NodeRecord] {
        filter { selectors.matches(node: $0.id, tags: Set($0.tags)) }
    }
}
