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
    /// Each round opens a stage or a group, so there are at most 96.
    mutating func drive() {
        while phase == .running, isPlanned {
            if openStages.isEmpty { openFirstStage() }
            assignWithinLimits()
            guard !isEveryNodeDone else { return complete() }
            let (isStageDone, isGroupDone) = (isStageComplete, isGroupComplete)
            guard isStageDone || isGroupDone else { return waitForNodes() }
            guard (!isStageDone && !hasGroupBegun) || hasBaked() else { return }
            if isGroupDone { openNextGroup() }
            if isStageDone { openNextStage() }
        }
    }

    /// Nodes tried in stages so far: those whose turn has not come but that have the version anyway do not count.
    var tried: Int { stageCounts.reduce(0) { $0 + $1.tried } }

    private var isEveryNodeDone: Bool {
        counts.inFlight == 0 && counts[.waiting] == 0 && counts[.skipped] == 0
    }

    private var isStageComplete: Bool {
        counts.inFlight == 0 && !isLastStage && tried >= openStages[openStages.count - 1]
    }

    private mutating func openFirstStage() {
        if !isSorted { sortByTurn() }
        panel = max(0, nodes.count - Self.sampleLimit)..<nodes.count
        openNextStage()
        if !strategy.groups.isEmpty { effects.append(.groupOpened(0)) }
    }

    private mutating func openNextStage() {
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
            if nodes[index].state == .waiting { assign(index) } else { setStage(index, openStages.count - 1) }
            tried += 1
        }
    }

    /// The next node to be tried: of those that nothing holds back, the first in order.
    ///
    /// A node that has the version already is returned too, and counts toward the stage.
    private mutating func nextTurn() -> Int? {
        var next: (index: Int, cohort: Int)?
        for cohort in cohorts.indices {
            guard let index = firstInQueue(cohort), index < next?.index ?? Int.max, barrier(cohort) == nil else {
                continue
            }
            next = (index, cohort)
        }
        guard let next else { return nil }
        return cohortStates[next.cohort].queue.popFirst()
    }

    private mutating func firstInQueue(_ cohort: Int) -> Int? {
        while let index = cohortStates[cohort].queue.first {
            visits += 1
            if awaitsTurn(index, cohort) { return index }
            _ = cohortStates[cohort].queue.popFirst()
        }
        return nil
    }

    private mutating func assign(_ index: Int) {
        nodes[index].handedAt = nil
        nodes[index].hasAnswered = false
        nodes[index].wasAssigned = true
        beginFigures(index)
        setStage(index, openStages.count - 1)
        move(index, to: .assigned)
        effects.append(.assign(nodes[index].id))
        bakesUntil = nil
        saidOnlySkipped = false
        saidHold = ""
    }

    private mutating func hasBaked() -> Bool {
        guard strategy.bakeSeconds > 0, !skipsBake else { return true }
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
        // What has to be looked up first may be nothing that holds it.
        if let hold = blockage, hold.reason != saidHold, staleHours(at: clock).isEmpty {
            saidHold = hold.reason
            hasChanged = true
            effects.append(.holding(reason: hold.reason, until: hold.until))
        }
        guard waitsOnlyForSkipped, !saidOnlySkipped else { return }
        saidOnlySkipped = true
        hasChanged = true
        effects.append(.onlySkippedRemain(counts[.skipped]))
    }
}
