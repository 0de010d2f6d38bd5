import ByteCoding
import MusterModel

/// What holds back whole cohorts: groups, hours, limits.
extension Rollout {
    /// What stands between a cohort and its turn.
    enum Barrier: Hashable {
        case group
        case safetyGroup
        case hours(Slot?)
        case tag(Tag)
        case fleetTag(Tag, FleetLimit)
    }

    /// What stands between the cohort's nodes and an assignment now; nil where nothing does but the stage.
    func barrier(_ cohort: Int) -> Barrier? {
        let (group, tags) = (cohorts[cohort].group, cohorts[cohort].tags)
        guard group <= openGroup else { return .group }
        if let closed = closedHours(cohort) { return closed }
        if strategy.isSafetyGroup(group), safetyInFlight >= strategy.safetyInFlight { return .safetyGroup }
        for tag in tags {
            let own = tagged[tag] ?? 0
            if let most = strategy.tagInFlight[tag], own >= most { return .tag(tag) }
            if let limit = fleetLimits[tag], own + limit.others >= limit.most { return .fleetTag(tag, limit) }
        }
        return nil
    }

    private func closedHours(_ cohort: Int) -> Barrier? {
        guard let hours = cohorts[cohort].hours else { return nil }
        guard let slot = slots[hours], slot.isOpen, slot.holds(at: clock) else { return .hours(slots[hours]) }
        return nil
    }

    private var safetyInFlight: Int {
        cohorts.indices.reduce(0) { strategy.isSafetyGroup(cohorts[$1].group) ? $0 + cohortStates[$1].inFlight : $0 }
    }

    /// Whether the hours of the node's cohort are open.
    func isInHours(_ index: Int) -> Bool { closedHours(nodes[index].cohort) == nil }

    /// Whether a node that was taken out of its turn may have it again.
    func mayGoOn(_ index: Int) -> Bool { nodes[index].obstacle == nil && isInHours(index) }

    /// Whether the cohort's nodes can have a turn at all before the rollout expires.
    private func isHopeful(_ cohort: Int) -> Bool {
        guard case .hours(let slot?)? = closedHours(cohort), !slot.isOpen else { return true }
        return slot.until.map { $0 < expires } ?? false
    }

    // MARK: - Groups

    /// Whether every node of the open groups is done that can be.
    var isGroupComplete: Bool {
        guard openGroup < strategy.groups.count else { return false }
        return cohorts.indices.allSatisfy {
            cohorts[$0].group > openGroup
                || (cohortStates[$0].inFlight == 0 && (cohortStates[$0].waiting == 0 || !isHopeful($0)))
        }
    }

    /// Whether any node of the open group was tried, so that something is there to bake.
    var hasGroupBegun: Bool {
        cohorts.indices.contains { cohorts[$0].group == openGroup && cohortStates[$0].tried > 0 }
    }

    mutating func openNextGroup() {
        openGroup += 1
        bakesUntil = nil
        hasChanged = true
        effects.append(.groupOpened(openGroup))
    }

    // MARK: - What policy says

    /// Hours of which it has to be said anew by `RolloutEvent.slots` what they say, since that has passed.
    ///
    /// To be asked after a restart and after each event.
    public func staleHours(at time: UTCTime) -> [String] {
        guard phase.isOpen else { return [] }
        let moment = max(time, clock)
        let stale = cohorts.compactMap(\.hours).filter { slots[$0].map { !$0.holds(at: moment) } ?? true }
        return Set(stale).sorted()
    }

    mutating func take(_ said: [String: Slot]) {
        guard phase.isOpen else { return }
        for (hours, slot) in said where hours.utf8.count <= Self.hoursLimit && slots[hours] != slot {
            slots[hours] = slot
            hasChanged = true
        }
        for index in inFlight.sorted() {
            visits += 1
            if case .hours(let slot?)? = closedHours(nodes[index].cohort), !slot.isOpen { holdBack(index, slot.reason) }
        }
    }

    /// A node whose hours ended before it began gives its place up as soon as it cannot begin any more.
    mutating func holdBack(_ index: Int, _ reason: String) {
        guard nodes[index].state.isAssigned, !nodes[index].state.hasBegun else { return }
        effects.append(.withdraw(nodes[index].id))
        guard nodes[index].handedAt != nil else { return sendBack(index) }
        move(index, to: .withdrawn, reason: Self.clip(reason))
        silentDeadlines.append(DeadlineQueue.Entry(index: index, since: clock))
    }

    mutating func take(_ limits: [Tag: FleetLimit]) {
        guard phase.isOpen, fleetLimits != limits else { return }
        fleetLimits = limits
        hasChanged = true
    }

    mutating func take(skipsBake: Bool) {
        guard phase.isOpen, self.skipsBake != skipsBake else { return }
        self.skipsBake = skipsBake
        hasChanged = true
    }

    /// How many nodes may be changing themselves, by each tag that has a limit.
    ///
    /// A lost node is one of them until it is heard of again, or an operator resumed the rollout.
    public var inFlightByTag: [Tag: Int] { tagged }

    /// The nodes whose manifests carry this rollout's assignment, in the order of their turns.
    public var assignedNodes: [NodeID] {
        inFlight.sorted().filter { nodes[$0].state.isAssigned }.map { nodes[$0].id }
    }

    // MARK: - Which cohort

    /// The cohort of a node with this fact.
    mutating func cohort(_ fact: NodeFact) -> Int {
        var group = 0
        if !strategy.groups.isEmpty { group = strategy.group(of: fact.node, tags: fact.tags) }
        var tags: [Tag] = []
        if !(strategy.tagInFlight.isEmpty && fleetLimits.isEmpty) {
            tags = fact.tags.filter { strategy.tagInFlight[$0] != nil || fleetLimits[$0] != nil }.sorted()
        }
        return number(Cohort(group: group, tags: tags, hours: fact.hours))
    }

    mutating func number(_ cohort: Cohort) -> Int {
        if let number = cohortIndices[cohort] { return number }
        cohortIndices[cohort] = cohorts.count
        cohorts.append(cohort)
        cohortStates.append(CohortState())
        return cohorts.count - 1
    }

    mutating func setCohort(_ index: Int, _ cohort: Int) {
        guard nodes[index].cohort != cohort else { return }
        count(nodes[index], -1)
        nodes[index].cohort = cohort
        count(nodes[index], 1)
        hasChanged = true
        if awaitsTurn(index, cohort) { cohortStates[cohort].queue.insert(index) }
        if case .hours(let slot?)? = closedHours(cohort), !slot.isOpen { holdBack(index, slot.reason) }
    }

    /// Whether the node is one that its cohort's queue is for.
    func awaitsTurn(_ index: Int, _ cohort: Int) -> Bool {
        let node = nodes[index]
        guard node.cohort == cohort else { return false }
        return node.state == .waiting || (node.state == .confirmed && node.stage == nil)
    }
}
