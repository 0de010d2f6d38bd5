import ByteCoding
import MusterModel

/// Why nothing of a rollout goes on just now.
public struct RolloutHold: Hashable, Sendable {
    /// Why, as one clause.
    public let reason: String
    /// When it is known to go on; nil where that depends on something else.
    public let until: UTCTime?

    /// A reason.
    public init(reason: String, until: UTCTime? = nil) {
        self.reason = reason
        self.until = until
    }
}

extension Rollout {
    /// Most different reasons that are told at once.
    private static let holdLimit = 4

    /// Why nothing goes on at present; nil while something does, or once it is over.
    public var hold: RolloutHold? {
        switch phase {
        case .completed, .cancelled, .expired: return nil
        case .awaitingApproval: return RolloutHold(reason: "waits for approval")
        case .halted(let reason, _): return RolloutHold(reason: reason.isEmpty ? "halted" : reason)
        case .running: break
        }
        guard isPlanned else { return RolloutHold(reason: "waits for its nodes") }
        if let bakesUntil, let stage {
            return RolloutHold(reason: "stage \(stage + 1) bakes until \(bakesUntil)", until: bakesUntil)
        }
        if waitsOnlyForSkipped {
            return RolloutHold(reason: "only nodes that are not in contact or have an obstacle remain")
        }
        return blockage
    }

    /// Why no node that waits can have its turn, where none is at work; nil where one is or can.
    var blockage: RolloutHold? {
        guard phase == .running, stage != nil, counts.inFlight == 0, counts[.waiting] > 0 else { return nil }
        var reasons: [(text: String, nodes: Int)] = []
        var until: UTCTime?
        for cohort in cohorts.indices where cohortStates[cohort].waiting > 0 {
            guard let barrier = barrier(cohort) else { return nil }
            // Later groups wait for what the open ones say.
            if barrier == .group { continue }
            let (text, opens) = words(barrier, cohort)
            if let opens { until = min(until ?? opens, opens) }
            let waiting = cohortStates[cohort].waiting
            if let index = reasons.firstIndex(where: { $0.text == text }) {
                reasons[index].nodes += waiting
            } else {
                reasons.append((text, waiting))
            }
        }
        guard !reasons.isEmpty else { return nil }
        let told = reasons.prefix(Self.holdLimit).map {
            "\($0.nodes == 1 ? "1 node" : "\($0.nodes) nodes"): \($0.text)"
        }
        let rest = reasons.count > Self.holdLimit ? "; and \(reasons.count - Self.holdLimit) more reasons" : ""
        return RolloutHold(reason: Self.clip(told.joined(separator: "; ") + rest), until: until)
    }

    /// Why the node at `index` of `nodes` is as it is, also where it only waits; empty while all is well.
    public func reason(ofNodeAt index: Int) -> String {
        let node = nodes[index]
        guard node.reason.isEmpty, node.state == .waiting, phase.isOpen else { return node.reason }
        if phase == .running, stage != nil, let barrier = barrier(node.cohort) {
            return words(barrier, node.cohort).text
        }
        if let hold, phase != .running || bakesUntil != nil { return hold.reason }
        if !isLastStage, let stage, tried >= openStages[stage] { return "waits for stage \(stage + 2) to open" }
        return "waits for a free place: \(counts.inFlight) of \(strategy.maxInFlight) are taken"
    }

    private func words(_ barrier: Barrier, _ cohort: Int) -> (text: String, until: UTCTime?) {
        switch barrier {
        case .group:
            let mine = strategy.groupName(cohorts[cohort].group)
            return ("\(mine) has its turn after \(strategy.groupName(openGroup))", nil)
        case .safetyGroup:
            return ("at most \(strategy.safetyInFlight) of the safety group at one moment", nil)
        case .hours(let slot?) where !slot.isOpen && slot.holds(at: clock):
            guard let until = slot.until, until < expires else {
                return ("\(slot.reason); the rollout expires before, at \(expires)", nil)
            }
            return (slot.reason, until)
        case .hours: return ("its hours have to be looked up", nil)
        case .tag(let tag):
            return ("at most \(strategy.tagInFlight[tag] ?? 0) with tag \(tag) at one moment: \(busy(tag))", nil)
        case .fleetTag(let tag, let limit):
            let others = limit.others > 0 ? ", \(limit.others) by other rollouts" : ""
            return (
                "at most \(limit.most) with tag \(tag) in the whole fleet at one moment: \(busy(tag))\(others)", nil
            )
        }
    }

    private func busy(_ tag: Tag) -> String {
        let lost = kept.filter { cohorts[nodes[$0].cohort].tags.contains(tag) }.count
        return "\(tagged[tag] ?? 0) changing" + (lost > 0 ? " (\(lost) of them lost)" : "")
    }
}
