import ByteCoding
import MusterModel

/// What nodes say of their part.
extension Run {
    mutating func take(_ report: RunReport, of index: Int) {
        guard phase != .waiting, phase != .scheduled else { return }
        // What a node said of its end stays: later words are old ones, or repetitions.
        guard !(nodes[index].state.isOver && nodes[index].isStated) else { return }
        nodes[index].said = clock
        contact(index, at: clock)
        switch report {
        case .started: begin(index)
        case .succeeded: end(index, .succeeded, "")
        case .failed(let reason): end(index, .failed, reason)
        case .refused(let reason): end(index, .refused, reason)
        case .lost(let reason): end(index, .lost, reason)
        case .cancelled(let reason): end(index, .cancelled, reason)
        case .notStarted(let reason): end(index, .notStarted, reason)
        case .expired(let reason): end(index, .expired, reason)
        }
    }

    private mutating func begin(_ index: Int) {
        let before = nodes[index].state
        guard before != .started else { return }
        if nodes[index].started == nil { nodes[index].started = clock }
        // The process of a lost node must have ended by now, whatever came of it.
        guard before != .lost else { return }
        guard phase != .ended else {
            // It was taken for one that did not begin; what came of it is not known yet.
            set(index, .lost, "it began after all; it has not said what came of it")
            effects.append(.nodeEnded(nodes[index].id))
            judge()
            return
        }
        set(index, .started)
        nodes[index].isHanded = true
        effects.append(.nodeStarted(nodes[index].id))
        if stop?.endsProcesses == true { effects.append(.cancelling(nodes[index].id)) }
    }

    private mutating func end(_ index: Int, _ state: RunNode.State, _ reason: String) {
        set(index, state, reason, isStated: true)
        effects.append(.nodeEnded(nodes[index].id))
        if phase == .ended { judge() }
    }

    mutating func remove(_ index: Int, _ reason: String) {
        guard phase != .ended, !nodes[index].state.isOver else { return }
        let mayRun = nodes[index].state == .started || (nodes[index].state == .assigned && nodes[index].isHanded)
        if mayRun {
            conclude(index, .lost, "\(reason); it may have run")
        } else {
            conclude(index, .notStarted, reason)
        }
    }

    /// Ends a node's part by what is known without it.
    mutating func conclude(_ index: Int, _ state: RunNode.State, _ reason: String) {
        set(index, state, reason)
        effects.append(.nodeEnded(nodes[index].id))
    }
}
