import ByteCoding
import MusterModel
import MusterRollout

/// What the nodes of the simulation do.
extension Simulation {
    /// The long poll returns: the node was seen and holds a new manifest.
    mutating func poll(_ index: Int, isWoken: Bool = false) {
        guard nodes[index].isOnline, rollout.phase.isOpen else { return }
        nodes[index].lastSeen = now
        measure(index)
        if rollout.needs(seen: nodes[index].id) { apply(.seen(nodes[index].id)) }
        if !isWoken { agenda.add(.poll(index), at: later(300...900)) }
        guard random.chance(95) else { return }
        let isAssigned = rollout.isAssigned(nodes[index].id)
        if !nodes[index].isDone, !nodes[index].isChanging {
            nodes[index].mayBeginUntil = isAssigned ? now.adding(seconds: UpdateManifest.lifetime) : nil
        }
        guard isAssigned, !nodes[index].isAtWork, !nodes[index].isDone else { return }
        nodes[index].isAtWork = true
        agenda.add(.step(index, nodes[index].fate == .refuses ? .refused : .downloading), at: later(0...5))
    }

    /// The node says how it fares; by a bad version worse.
    private mutating func measure(_ index: Int) {
        guard rollout.needs(measured: nodes[index].id) else { return }
        let factor = nodes[index].version == "2.0" && nodes[index].isWorse ? 3 : 1
        let value = Int64((100 + index * 7 + random.number(0...5)) * factor)
        apply(.measured(nodes[index].id, ["p99": value]))
    }

    mutating func step(_ index: Int, _ state: NodeProgress.State) {
        guard !nodes[index].isDone else { return }
        if state == .installing {
            guard let until = nodes[index].mayBeginUntil, now < until else {
                nodes[index].isAtWork = false
                return
            }
            nodes[index].isChanging = true
        }
        if nodes[index].fate == .dies, random.chance(40) {
            nodes[index].isDone = true
            nodes[index].isOnline = false
            nodes[index].isChanging = false
            nodes[index].mayBeginUntil = nil
            return
        }
        if state == .confirmed { nodes[index].version = "2.0" }
        if state.isFinal {
            nodes[index].isDone = true
            nodes[index].isChanging = false
            nodes[index].mayBeginUntil = nil
        }
        send(index, state)
        guard let next = following(state, nodes[index].fate) else { return }
        agenda.add(.step(index, next), at: later(0...(next == .verified ? 200 : 60)))
    }

    mutating func following(_ state: NodeProgress.State, _ fate: SimulatedNode.Fate) -> NodeProgress.State? {
        switch state {
        case .downloading: fate == .fails && random.chance(50) ? .failed : .verified
        case .verified: .installing
        case .installing: fate == .fails ? .failed : .confirming
        case .confirming: fate == .rollsBack ? .rolledBack : .confirmed
        case .confirmed, .failed, .refused, .rolledBack: nil
        }
    }

    /// Reports are repeated until they are acknowledged, so a final one arrives at last if the node lives; all of them may
    /// come twice and out of order, and those of the steps between may be lost.
    mutating func send(_ index: Int, _ state: NodeProgress.State) {
        let node = nodes[index]
        let progress = NodeProgress(
            rollout: rollout.id,
            state: state,
            version: node.version,
            reason: state.isFinal ? "simulated" : "",
            at: now
        )
        guard state.isFinal || random.chance(85) else { return }
        let delay = node.isOnline ? 0...random.pick([1, 20, 400]) : 0...8000
        agenda.add(.arrive(node.id, progress), at: later(delay))
        while random.chance(20) { agenda.add(.arrive(node.id, progress), at: later(0...2000)) }
    }

    /// The node's key expired, or an operator extended it; the service tells the rollout of those that are in the fleet.
    mutating func block(_ index: Int, _ obstacle: String?) {
        guard rollout.node(nodes[index].id)?.state != .removed else { return }
        nodes[index].obstacle = obstacle
        apply(.nodesSelected([fact(nodes[index])]))
    }

    mutating func goOffline(_ index: Int) {
        nodes[index].isOnline = false
        if random.chance(70) { agenda.add(.online(index), at: later(10...5000)) }
    }

    mutating func comeBack(_ index: Int) {
        guard !nodes[index].isDone, !nodes[index].isOnline else { return }
        nodes[index].isOnline = true
        agenda.add(.poll(index), at: later(0...10))
    }
}
