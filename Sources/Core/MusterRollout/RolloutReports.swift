import ByteCoding
import MusterModel

/// What nodes say, and what their silence says.
extension Rollout {
    mutating func see(_ node: NodeID) {
        guard phase.isOpen, let index = indices[node] else { return }
        markSeen(index)
    }

    /// A report counts only if it moves the node up in `RolloutNode.State.order`: duplicates and late ones change nothing.
    mutating func report(_ node: NodeID, _ progress: NodeProgress) {
        guard progress.rollout == id, let index = indices[node], nodes[index].state != .removed else { return }
        let state = RolloutNode.State(progress.state)
        if state == .confirmed {
            confirm(index, progress)
        } else if state.isFailure {
            if nodes[index].wasAssigned {
                fail(index, state, progress.reason.isEmpty ? "no reason given" : progress.reason)
            }
        } else if nodes[index].state.isInFlight, state.order > nodes[index].state.order {
            nodes[index].handedAt = nodes[index].handedAt ?? clock
            nodes[index].hasAnswered = true
            move(index, to: state, reason: Self.clip(progress.reason))
        } else if state == nodes[index].state, !state.hasBegun, nodes[index].reason != Self.clip(progress.reason) {
            nodes[index].reason = Self.clip(progress.reason)
            hasChanged = true
        }
        if phase.isOpen { markSeen(index) }
    }

    /// A node that confirmed and then went away counts as lost, as one does that never confirmed.
    mutating func lose(_ node: NodeID, _ since: UTCTime) {
        guard needs(silent: node), let index = indices[node] else { return }
        let reason = "lost contact: confirmed, and not in contact since \(since)"
        move(index, to: .lost, reason: reason)
        effects.append(.failed(node, reason: reason))
        countFailure(index, reason)
    }

    /// Whether `.silent(node)` would change anything.
    public func needs(silent node: NodeID) -> Bool {
        guard phase.isOpen, let index = indices[node] else { return false }
        return nodes[index].state == .confirmed && nodes[index].wasAssigned
    }

    /// What the event itself assigned reaches the node in the same contact.
    mutating func contactAgain(_ event: RolloutEvent) {
        switch event {
        case .seen(let node): see(node)
        case .reported(let node, let progress):
            if progress.state.isFinal { see(node) } else { report(node, progress) }
        default: break
        }
    }

    /// Counts nodes whose deadline passed as skipped or failed, in the order of their turns.
    mutating func passDeadlines() {
        guard phase.isOpen else { return }
        var due: [Int] = []
        while let entry = startDeadlines.first {
            let isStale = !isNotBegun(entry)
            guard isStale || startDeadline(entry.since) <= clock else { break }
            visits += 1
            if !isStale { due.append(entry.index) }
            startDeadlines.removeFirst()
        }
        while let entry = finishDeadlines.first {
            let isStale = !nodes[entry.index].state.hasBegun || nodes[entry.index].since != entry.since
            guard isStale || finishDeadline(entry.since) <= clock else { break }
            visits += 1
            if !isStale { due.append(entry.index) }
            finishDeadlines.removeFirst()
        }
        let silent = passSilentDeadlines()
        for index in due.sorted() { passDeadline(index) }
        for index in silent {
            if nodes[index].obstacle == nil, !isInHours(index) {
                sendBack(index)
            } else {
                skip(index, nodes[index].obstacle ?? silence)
            }
        }
    }

    /// Nodes that were handed an assignment, never answered, and can no longer act on it.
    ///
    /// While the rollout is halted nothing is decided about them: resuming assigns them again.
    private mutating func passSilentDeadlines() -> [Int] {
        var due: [Int] = []
        while let entry = silentDeadlines.first {
            let node = nodes[entry.index]
            let isStale = phase != .running || node.state != .withdrawn || node.since != entry.since
            guard isStale || silentDeadline(entry.since) <= clock else { break }
            visits += 1
            if !isStale { due.append(entry.index) }
            silentDeadlines.removeFirst()
        }
        return due.sorted()
    }

    func startDeadline(_ since: UTCTime) -> UTCTime { since.adding(seconds: Int64(strategy.startDeadlineSeconds)) }

    func finishDeadline(_ since: UTCTime) -> UTCTime { since.adding(seconds: Int64(strategy.finishDeadlineSeconds)) }

    /// A manifest that was handed out before `since` is of no use any more.
    func silentDeadline(_ since: UTCTime) -> UTCTime { since.adding(seconds: UpdateManifest.lifetime) }

    private func isNotBegun(_ entry: DeadlineQueue.Entry) -> Bool {
        let node = nodes[entry.index]
        return node.state.isAssigned && !node.state.hasBegun && node.since == entry.since
    }

    private mutating func passDeadline(_ index: Int) {
        let node = nodes[index]
        guard node.state.isAssigned else { return }
        let last = "(last report: \(node.state == .assigned ? "none" : node.state.rawValue))"
        if node.state.hasBegun {
            fail(
                index,
                .lost,
                "lost contact: not confirmed within \(strategy.finishDeadlineSeconds) s of beginning \(last)"
            )
        } else if !isInHours(index) {
            holdBack(index, "its hours ended before it began")
        } else if node.hasAnswered {
            fail(index, .failed, "did not begin within \(strategy.startDeadlineSeconds) s of its assignment \(last)")
        } else if let handedAt = node.handedAt, clock < silentDeadline(handedAt) {
            effects.append(.withdraw(node.id))
            move(index, to: .withdrawn)
            silentDeadlines.append(DeadlineQueue.Entry(index: index, since: clock))
        } else {
            skip(index, silence)
        }
    }

    private var silence: String { "not in contact within \(strategy.startDeadlineSeconds) s of its assignment" }

    mutating func skip(_ index: Int, _ reason: String) {
        if nodes[index].state.isAssigned { effects.append(.withdraw(nodes[index].id)) }
        move(index, to: .skipped, reason: reason)
        effects.append(.skipped(nodes[index].id, reason: reason))
    }

    private mutating func confirm(_ index: Int, _ progress: NodeProgress) {
        guard nodes[index].state != .confirmed else { return }
        guard progress.version == version else {
            guard nodes[index].wasAssigned else { return }
            return fail(index, .failed, "confirmed version \(progress.version) instead of \(version)")
        }
        move(index, to: .confirmed)
        enqueueTurn(index)
    }

    /// Also for a node that failed before in another way: the failure is counted once.
    private mutating func fail(_ index: Int, _ state: RolloutNode.State, _ reason: String) {
        let node = nodes[index]
        guard state.order > node.state.order else { return }
        let reason = Self.clip(reason)
        if node.state.isAssigned { effects.append(.withdraw(node.id)) }
        move(index, to: state, reason: reason)
        effects.append(.failed(node.id, reason: reason))
        countFailure(index, reason)
    }

    private mutating func countFailure(_ index: Int, _ reason: String) {
        guard !nodes[index].hasFailed else { return }
        nodes[index].hasFailed = true
        failures += 1
        let count = failures - forgiven
        guard phase == .running, count > allowedFailures else { return }
        let nodes = count == 1 ? "1 node" : "\(count) nodes"
        let rate = strategy.maxFailurePercent.map { " (\($0)% of \(upgraded + failures) that are done)" } ?? ""
        halt(Self.clip("\(nodes) failed, \(allowedFailures) allowed\(rate); the last: \(reason)"), by: nil)
    }

    /// How many failures are borne: so many, or where that is more, the percent of the nodes that are done.
    private var allowedFailures: Int {
        max(strategy.maxFailures, (upgraded + failures) * (strategy.maxFailurePercent ?? 0) / 100)
    }

    /// The first contact of an assigned node hands the assignment out; a later one shows that the node has it.
    private mutating func markSeen(_ index: Int) {
        switch nodes[index].state {
        case .skipped where nodes[index].obstacle == nil: sendBack(index)
        case .withdrawn where phase == .running && mayGoOn(index): assignAgain(index)
        default: break
        }
        guard nodes[index].state.isAssigned, !nodes[index].hasAnswered else { return }
        if let handedAt = nodes[index].handedAt {
            guard clock > handedAt else { return }
            nodes[index].hasAnswered = true
        } else {
            nodes[index].handedAt = clock
        }
        hasChanged = true
    }
}
