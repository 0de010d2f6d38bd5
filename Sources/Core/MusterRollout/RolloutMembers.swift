import ByteCoding
import MusterModel

/// Which nodes belong to a rollout, and the one place where their state changes, so that every count stays right.
extension Rollout {
    /// Takes new nodes in the order of their turns, after those that are there; later facts about known nodes only say
    /// that one has the version already, is back, or belongs again.
    mutating func select(_ facts: [NodeFact]) {
        guard phase.isOpen else { return }
        if !isPlanned { hasChanged = true }
        isPlanned = true
        let key = NodeOrder.Key(id)
        var newcomers: [(order: NodeOrder, fact: NodeFact)] = []
        for fact in facts {
            visits += 1
            if let index = indices[fact.node] {
                update(index, fact)
            } else {
                newcomers.append((NodeOrder(key, fact.node), fact))
            }
        }
        guard !newcomers.isEmpty else { return }
        take(newcomers)
    }

    private mutating func take(_ newcomers: [(order: NodeOrder, fact: NodeFact)]) {
        if stage == nil, !nodes.isEmpty { isSorted = false }
        // Sorted by numbers alone, as far as they differ: names are compared only where two ranks are equal.
        var turns: [(group: Int, rank: UInt64, cohort: Int, index: Int)] = []
        turns.reserveCapacity(newcomers.count)
        for index in newcomers.indices {
            let cohort = cohort(newcomers[index].fact)
            turns.append((cohorts[cohort].group, newcomers[index].order.rank, cohort, index))
        }
        turns.sort {
            if $0.group != $1.group { return $0.group < $1.group }
            if $0.rank != $1.rank { return $0.rank < $1.rank }
            return newcomers[$0.index].order < newcomers[$1.index].order
        }
        indices.reserveCapacity(min(Self.nodeLimit, nodes.count + turns.count))
        for turn in turns {
            // Of two facts about one node the later one counts.
            if let index = indices[newcomers[turn.index].fact.node] {
                update(index, newcomers[turn.index].fact)
            } else if nodes.count < Self.nodeLimit {
                append(newcomers[turn.index].fact, turn.cohort)
            }
        }
    }

    mutating func remove(_ node: NodeID, _ reason: String) {
        guard phase.isOpen, let index = indices[node], nodes[index].state != .removed else { return }
        if nodes[index].state.isAssigned { effects.append(.withdraw(node)) }
        nodes[index].obstacle = nil
        move(index, to: .removed, reason: reason)
        effects.append(.removed(node, reason: reason))
    }

    /// Before the first stage opens: all nodes selected so far, in one order.
    mutating func sortByTurn() {
        let key = NodeOrder.Key(id)
        let sorted = nodes.map { (cohorts[$0.cohort].group, NodeOrder(key, $0.id), $0) }.sorted {
            $0.0 != $1.0 ? $0.0 < $1.0 : $0.1 < $1.1
        }
        nodes.replaceAll(sorted.map(\.2))
        for cohort in cohortStates.indices { cohortStates[cohort].queue = IndexHeap() }
        for (index, node) in nodes.enumerated() {
            indices[node.id] = index
            enqueueTurn(index)
        }
        visits += nodes.count
        isSorted = true
        hasChanged = true
    }

    /// Puts the node into its cohort's queue, if it is one that the queue is for.
    mutating func enqueueTurn(_ index: Int) {
        let cohort = nodes[index].cohort
        if awaitsTurn(index, cohort) { cohortStates[cohort].queue.insert(index) }
    }

    /// The node waits for its turn, or, if it had that already, for the next free place.
    mutating func sendBack(_ index: Int) {
        setStage(index, nil)
        move(index, to: .waiting)
        enqueueTurn(index)
    }

    /// Changes a node's state.
    ///
    /// `since` is kept between steps that share a deadline.
    mutating func move(_ index: Int, to state: RolloutNode.State, reason: String = "") {
        let node = nodes[index]
        let sharesDeadline =
            node.state.isAssigned && state.isAssigned && node.state.hasBegun == state.hasBegun
        visits += 1
        count(node, -1)
        if node.state == .confirmed, state != .confirmed, !node.figures.isEmpty { removeFromSample(index) }
        nodes[index].state = state
        nodes[index].reason = reason
        nodes[index].keepsPlace = state == .lost && !cohorts[node.cohort].tags.isEmpty
        if !sharesDeadline { nodes[index].since = clock }
        // One that was sent back and is heard of late had its turn in the stage that is open now.
        if state.isTried, node.stage == nil, node.wasAssigned { nodes[index].stage = stage }
        count(nodes[index], 1)
        if state.isInFlight { inFlight.insert(index) } else { inFlight.remove(index) }
        if nodes[index].keepsPlace { kept.insert(index) } else { kept.remove(index) }
        hasChanged = true
        if state.isAssigned, !sharesDeadline { enqueueDeadline(index) }
        if state == .confirmed { addToSample(index) }
    }

    mutating func setStage(_ index: Int, _ stage: Int?) {
        guard nodes[index].stage != stage else { return }
        count(nodes[index], -1)
        nodes[index].stage = stage
        count(nodes[index], 1)
        hasChanged = true
    }

    mutating func enqueueDeadline(_ index: Int) {
        let entry = DeadlineQueue.Entry(index: index, since: nodes[index].since)
        if nodes[index].state.hasBegun { finishDeadlines.append(entry) } else { startDeadlines.append(entry) }
    }

    mutating func count(_ node: RolloutNode, _ difference: Int) {
        counts.add(difference, in: node.state)
        if let stage = node.stage { stageCounts[stage].add(difference, in: node.state) }
        if node.state == .waiting { cohortStates[node.cohort].waiting += difference }
        if node.state.isInFlight { cohortStates[node.cohort].inFlight += difference }
        if node.state.isTried { cohortStates[node.cohort].tried += difference }
        // One that failed and works after all is done once.
        if node.state == .confirmed, node.wasAssigned, !node.hasFailed { upgraded += difference }
        guard node.state.isInFlight || node.keepsPlace else { return }
        for tag in cohorts[node.cohort].tags {
            let sum = (tagged[tag] ?? 0) + difference
            tagged[tag] = sum == 0 ? nil : sum
        }
    }

    private mutating func append(_ fact: NodeFact, _ cohort: Int) {
        var node = RolloutNode(id: fact.node, state: .waiting, since: clock)
        node.cohort = cohort
        node.obstacle = fact.obstacle.map(Self.clip)
        if fact.version == version {
            node.state = .confirmed
        } else if let obstacle = node.obstacle {
            node.state = .skipped
            node.reason = obstacle
        } else if !isInContact(fact) {
            node.state = .skipped
            node.reason = fact.lastSeen.map { "not in contact since \($0)" } ?? "never in contact"
        }
        indices[fact.node] = nodes.count
        nodes.append(node)
        count(node, 1)
        enqueueTurn(nodes.count - 1)
        hasChanged = true
    }

    private mutating func update(_ index: Int, _ fact: NodeFact) {
        let obstacle = fact.obstacle.map(Self.clip)
        if nodes[index].obstacle != obstacle {
            nodes[index].obstacle = obstacle
            hasChanged = true
        }
        setCohort(index, cohort(fact))
        if fact.version == version, !nodes[index].state.isTried {
            move(index, to: .confirmed)
            return enqueueTurn(index)
        }
        if let obstacle { return passBy(index, obstacle) }
        guard !nodes[index].state.isTried else { return }
        if nodes[index].state == .removed || (nodes[index].state == .skipped && isBack(index, fact)) {
            sendBack(index)
        }
    }

    /// A node that may do nothing holds up no stage; one that has begun is let finish.
    private mutating func passBy(_ index: Int, _ reason: String) {
        let node = nodes[index]
        switch node.state {
        case .waiting, .removed: skip(index, reason)
        case .assigned, .downloading, .verified:
            guard node.handedAt != nil else { return skip(index, reason) }
            // It may still act on the manifest that it was handed, so it keeps its place until that is of no use.
            effects.append(.withdraw(node.id))
            move(index, to: .withdrawn, reason: reason)
            silentDeadlines.append(DeadlineQueue.Entry(index: index, since: clock))
        case .skipped where node.reason != reason: skip(index, reason)
        default: break
        }
    }

    /// Whether the node was in contact lately enough to be given a place in flight.
    private func isInContact(_ fact: NodeFact) -> Bool {
        guard let lastSeen = fact.lastSeen else { return false }
        return lastSeen.adding(seconds: Int64(strategy.startDeadlineSeconds)) > clock
    }

    /// Whether the node was in contact since it was skipped.
    private func isBack(_ index: Int, _ fact: NodeFact) -> Bool {
        guard let lastSeen = fact.lastSeen else { return false }
        return lastSeen > nodes[index].since
    }
}
