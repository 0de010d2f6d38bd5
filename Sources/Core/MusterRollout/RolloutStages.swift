import ByteCoding
import MusterModel

/// Stages, gates and turns.
extension Rollout {
    /// The open stage, counted from 0; nil before the first one opens.
    public var stage: Int? { openStages.isEmpty ? nil : openStages.count - 1 }

    /// Whether the open stage is the last one, which is everyone.
    var isLastStage: Bool { openStages.count >= strategy.stages.count }

    /// How many nodes may have been tried when `stage` is complete; everyone in the last stage.
    func size(ofStage stage: Int) -> Int {
        let present = counts.present
        guard stage < strategy.stages.count - 1 else { return present }
        let size =
            switch strategy.stages[stage] {
            case .count(let count): count
            case .percent(let percent): (present * percent + 99) / 100
            }
        return min(present, max(size, openStages.last ?? 0))
    }

    /// Whether only nodes that are not in contact keep the rollout from going on.
    public var waitsOnlyForSkipped: Bool {
        phase == .running && stage != nil && bakesUntil == nil && counts.inFlight == 0 && counts[.waiting] == 0
            && counts[.skipped] > 0
    }

    /// Goes on as far as gates, limits and time allow.
    ///
    /// Each round opens one stage, so there are at most 32.
    mutating func drive() {
        while phase == .running, isPlanned {
            if openStages.isEmpty { openNextStage() }
            assignWithinLimits()
            guard !isEveryNodeDone else { return complete() }
            guard isStageComplete else { return waitForNodes() }
            guard hasBaked() else { return }
            openNextStage()
        }
    }

    /// Nodes tried in stages so far: those whose turn has not come but that have the version anyway do not count.
    private var tried: Int { stageCounts.reduce(0) { $0 + $1.tried } }

    private var isEveryNodeDone: Bool {
        counts.inFlight == 0 && counts[.waiting] == 0 && counts[.skipped] == 0
    }

    private var isStageComplete: Bool {
        counts.inFlight == 0 && !isLastStage && tried >= openStages[openStages.count - 1]
    }

    private mutating func openNextStage() {
        if openStages.isEmpty { sortByTurn() }
        let next = openStages.count
        openStages.append(size(ofStage: next))
        stageCounts.append(StateCounts())
        bakesUntil = nil
        hasChanged = true
        effects.append(.stageOpened(next))
    }

    private mutating func assignWithinLimits() {
        let room = isLastStage ? Int.max : openStages[openStages.count - 1]
        var tried = tried
        while tried < room, counts.inFlight < strategy.maxInFlight, let index = nextTurn() {
            if nodes[index].state == .waiting { assign(index) }
            tried += 1
        }
    }

    /// The next node to be tried: one that came back, else the next in order.
    ///
    /// A node that has the version already is returned too, and counts toward the stage; skipped nodes are passed by.
    private mutating func nextTurn() -> Int? {
        while let index = ready.popFirst() {
            if nodes[index].state == .waiting { return index }
        }
        while cursor < nodes.count {
            let index = cursor
            cursor += 1
            hasChanged = true
            if nodes[index].state != .removed { setStage(index, openStages.count - 1) }
            if nodes[index].state == .waiting || nodes[index].state.isTried { return index }
        }
        return nil
    }

    private mutating func assign(_ index: Int) {
        nodes[index].handedAt = nil
        nodes[index].hasAnswered = false
        nodes[index].wasAssigned = true
        setStage(index, openStages.count - 1)
        move(index, to: .assigned)
        effects.append(.assign(nodes[index].id))
        bakesUntil = nil
        saidOnlySkipped = false
    }

    private mutating func hasBaked() -> Bool {
        guard strategy.bakeSeconds > 0 else { return true }
        if let bakesUntil { return clock >= bakesUntil }
        let until = clock.adding(seconds: Int64(strategy.bakeSeconds))
        bakesUntil = until
        hasChanged = true
        effects.append(.stageBaking(openStages.count - 1, until: until))
        return false
    }

    private mutating func complete() {
        phase = .completed
        hasChanged = true
        effects.append(.completed)
    }

    /// The stage is not complete, or no more: a node of it was removed while it baked.
    private mutating func waitForNodes() {
        if bakesUntil != nil {
            bakesUntil = nil
            hasChanged = true
        }
        guard waitsOnlyForSkipped, !saidOnlySkipped else { return }
        saidOnlySkipped = true
        hasChanged = true
        effects.append(.onlySkippedRemain(counts[.skipped]))
    }
}
