import ByteCoding
import MusterModel
import MusterRollout

/// Watches a rollout from outside and knows the rules by itself: it counts from effects and from the nodes one by one,
/// never from the engine's own counters.
struct Referee {
    let strategy: RolloutStrategy
    private var isApproved: Bool
    private var isHalted = false
    private var isOver = false
    private var openStage: Int?
    private var bakes: [Int: UTCTime] = [:]
    private var failed: Set<NodeID> = []
    private var failuresSinceResume = 0
    private var skipsBake = false
    private var openGroup = 0
    private var assigned: Set<NodeID> = []
    private var mostDone = 0
    /// Lost nodes that no operator has seen yet.
    private var lost: Set<NodeID> = []
    private var limits: [Tag: FleetLimit] = [:]

    init(strategy: RolloutStrategy, isApproved: Bool) {
        self.strategy = strategy
        self.isApproved = isApproved
    }

    /// What is wrong after `event` had `effects`; nil where all is well.
    mutating func check(
        _ event: RolloutEvent,
        _ effects: [RolloutEffect],
        before: Rollout,
        after: Rollout,
        at now: UTCTime
    ) -> String? {
        switch event {
        case .approved: isApproved = true
        case .urgency(let skips): skipsBake = skips
        case .fleetLimits(let limits): self.limits = limits
        default: break
        }
        for effect in effects {
            if let wrong = check(effect, after, now) { return wrong }
        }
        noteDone(after.nodes)
        return checkCounts(after) ?? checkEnd(after, now) ?? checkRevision(before, after, effects)
    }

    private mutating func check(_ effect: RolloutEffect, _ rollout: Rollout, _ now: UTCTime) -> String? {
        if isOver, !mayFollowEnd(effect) { return "\(effect) after the end" }
        switch effect {
        case .assign(let node):
            assigned.insert(node)
            if !isApproved || isHalted || openStage == nil { return "assigned \(node) while nothing may be" }
        case .stageOpened(let stage):
            return checkGate(stage, rollout, now)
        case .stageBaking(let stage, let until):
            if stage != openStage { return "stage \(stage) bakes, \(openStage ?? -1) is open" }
            if until != now.adding(seconds: Int64(strategy.bakeSeconds)) { return "bakes until \(until)" }
            bakes[stage] = until
        case .failed(let node, let reason):
            if reason.isEmpty { return "\(node) failed without a reason" }
            if failed.insert(node).inserted { failuresSinceResume += 1 }
            if rollout.node(node)?.state == .lost { lost.insert(node) }
        case .halted(let reason):
            if reason.isEmpty { return "halted without a reason" }
            isHalted = true
        case .resumed:
            isHalted = false
            failuresSinceResume = 0
            lost = []
        case .completed: isOver = true
        case .ended(let reason):
            if reason.isEmpty { return "ended without a reason" }
            isOver = true
        case .groupOpened(let group):
            if group != (group == 0 ? 0 : openGroup + 1) { return "group \(group) opened after \(openGroup)" }
            openGroup = group
        case .holding(let reason, _):
            if reason.isEmpty { return "holds without a reason" }
        case .withdraw, .onlySkippedRemain: break
        case .skipped(let node, let reason), .removed(let node, let reason):
            if reason.isEmpty { return "\(node) was passed by without a reason" }
        }
        return nil
    }

    private func mayFollowEnd(_ effect: RolloutEffect) -> Bool {
        switch effect {
        case .failed, .withdraw: true
        default: false
        }
    }

    private mutating func checkGate(_ stage: Int, _ rollout: Rollout, _ now: UTCTime) -> String? {
        if stage != (openStage ?? -1) + 1 { return "stage \(stage) opened after \(openStage ?? -1)" }
        if !isApproved || isHalted { return "stage \(stage) opened while nothing may happen" }
        if let open = openStage {
            if strategy.bakeSeconds > 0, !skipsBake {
                guard let until = bakes[open] else { return "stage \(stage) opened, \(open) never baked" }
                if now < until { return "stage \(stage) opened before \(until)" }
            }
            for node in rollout.nodes where node.stage.map({ $0 <= open }) == true && node.state.isInFlight {
                return "stage \(stage) opened while \(node.id) of an earlier one was \(node.state)"
            }
        }
        openStage = stage
        return nil
    }

    private func checkCounts(_ rollout: Rollout) -> String? {
        var inFlight = 0
        var tried = 0
        var states: [RolloutNode.State: Int] = [:]
        for node in rollout.nodes {
            states[node.state, default: 0] += 1
            if node.state.isInFlight { inFlight += 1 }
            if node.state.isTried, node.stage != nil, node.state != .confirmed { tried += 1 }
        }
        if inFlight > strategy.maxInFlight { return "\(inFlight) in flight, \(strategy.maxInFlight) allowed" }
        for state in RolloutNode.State.allCases where states[state] ?? 0 != rollout.counts[state] {
            return "counted \(rollout.counts[state]) \(state), there are \(states[state] ?? 0)"
        }
        if let openStage, openStage < strategy.stages.count - 1 {
            let limit = rollout.summary[0...openStage].reduce(0) { $0 + $1.size }
            if tried > limit { return "\(tried) tried, stage \(openStage) allows \(limit)" }
        }
        return nil
    }

    private func checkEnd(_ rollout: Rollout, _ now: UTCTime) -> String? {
        if now >= rollout.expires, rollout.phase.isOpen { return "open after it expired" }
        if rollout.phase == .running, failuresSinceResume > allowedFailures {
            return "\(failuresSinceResume) failures, \(allowedFailures) allowed, and it runs on"
        }
        if case .halted(let reason, _) = rollout.phase, reason.isEmpty { return "halted without a reason" }
        if rollout.phase == .completed, let node = rollout.nodes.first(where: { $0.state.isInFlight }) {
            return "complete while \(node.id) is \(node.state)"
        }
        return nil
    }

    private var allowedFailures: Int {
        max(strategy.maxFailures, mostDone * (strategy.maxFailurePercent ?? 0) / 100)
    }

    /// Groups, and limits by tag, for nodes that were given a place just now.
    func checkTurns(
        _ effects: [RolloutEffect],
        before: Rollout,
        after: Rollout,
        nodes: [SimulatedNode]
    ) -> String? {
        let facts = Dictionary(nodes.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        let entries = after.nodes.compactMap { entry in facts[entry.id].map { (entry: entry, fact: $0) } }
        for effect in effects {
            guard case .assign(let node) = effect else { continue }
            guard before.node(node)?.state.isInFlight != true, let fact = facts[node] else { continue }
            let group = strategy.group(of: node, tags: fact.tags)
            if group > openGroup { return "\(node) of group \(group) assigned, \(openGroup) is open" }
            if let wrong = checkLimits(fact, entries) { return wrong }
        }
        return nil
    }

    private mutating func noteDone(_ entries: RolloutNodes) {
        let confirmed = entries.filter { $0.state == .confirmed && assigned.contains($0.id) }.count
        mostDone = max(mostDone, confirmed + failed.count)
        for entry in entries {
            if entry.state != .lost { lost.remove(entry.id) }
        }
    }

    private func checkLimits(_ node: SimulatedNode, _ entries: [(entry: RolloutNode, fact: SimulatedNode)]) -> String? {
        let busy = entries.filter { $0.entry.state.isInFlight || lost.contains($0.entry.id) }.map(\.fact)
        for tag in node.tags {
            let count = busy.filter { $0.tags.contains(tag) }.count
            if let most = strategy.tagInFlight[tag], count > most { return "\(count) of \(tag), \(most) allowed" }
            if let limit = limits[tag], count + limit.others > limit.most {
                return "\(count) of \(tag) and \(limit.others) of others, \(limit.most) allowed in the fleet"
            }
        }
        guard strategy.isSafetyGroup(strategy.group(of: node.id, tags: node.tags)) else { return nil }
        let group = strategy.groups.count
        let count = entries.filter {
            $0.entry.state.isInFlight && strategy.group(of: $0.fact.id, tags: $0.fact.tags) == group
        }.count
        return count > strategy.safetyInFlight ? "\(count) of the safety group at once" : nil
    }

    private func checkRevision(_ before: Rollout, _ after: Rollout, _ effects: [RolloutEffect]) -> String? {
        if after.revision == before.revision {
            if !effects.isEmpty { return "effects without a new revision" }
            if after.nodes != before.nodes || after.phase != before.phase { return "changed without a new revision" }
        }
        return nil
    }
}
