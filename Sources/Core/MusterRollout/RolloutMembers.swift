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
        var newcomers: [NodeID: NodeFact] = [:]
        for fact in facts {
            if let index = indices[fact.node] { update(index, fact) } else { newcomers[fact.node] = fact }
        }
        let ordered = newcomers.values.map { (NodeOrder(id, $0.node), $0) }.sorted { $0.0 < $1.0 }
        for (_, fact) in ordered.prefix(max(0, Self.nodeLimit - nodes.count)) { append(fact) }
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
        nodes = nodes.map { (NodeOrder(id, $0.id), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
        for (index, node) in nodes.enumerated() { indices[node.id] = index }
    }

    /// The node waits for its turn, or, if it had that already, for the next free place.
    mutating func sendBack(_ index: Int) {
        setStage(index, nil)
        move(index, to: .waiting)
        if index < cursor { ready.insert(index) }
    }

    /// Changes a node's state.
    ///
    /// `since` is kept between steps that share a deadline.
    mutating func move(_ index: Int, to state: RolloutNode.State, reason: String = "") {
        let node = nodes[index]
        let sharesDeadline =
            node.state.isAssigned && state.isAssigned && node.state.hasBegun == state.hasBegun
        count(node, -1)
        nodes[index].state = state
        nodes[index].reason = reason
        if !sharesDeadline { nodes[index].since = clock }
        if state.isTried, node.stage == nil, index < cursor { nodes[index].stage = stage }
        count(nodes[index], 1)
        hasChanged = true
        if state.isAssigned, !sharesDeadline { enqueueDeadline(index) }
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
    }

    private mutating func append(_ fact: NodeFact) {
        var node = RolloutNode(id: fact.node, state: .waiting, since: clock)
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
        hasChanged = true
    }

    private mutating func update(_ index: Int, _ fact: NodeFact) {
        let obstacle = fact.obstacle.map(Self.clip)
        if nodes[index].obstacle != obstacle {
            nodes[index].obstacle = obstacle
            hasChanged = true
        }
        if fact.version == version, !nodes[index].state.isTried { return move(index, to: .confirmed) }
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
