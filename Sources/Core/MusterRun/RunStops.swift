import ByteCoding
import MusterModel

/// How runs stop and end.
extension Run {
    mutating func deny(_ reason: String, _ by: OperatorName) {
        guard phase == .waiting || phase == .scheduled else { return }
        cease(.denied(reason: reason, by: by))
    }

    /// Nothing begins any more; what was not handed to a node is taken back at once.
    ///
    /// What stopped by itself, and still runs somewhere, may be cancelled besides.
    mutating func cease(_ cause: Stop) {
        guard stop == nil || (cause.endsProcesses && mayBeCancelled), phase != .ended else { return }
        stop = cause
        phase = .stopping
        hasChanged = true
        effects.append(.stopped(cause))
        for index in nodes.indices {
            switch nodes[index].state {
            case .waiting: conclude(index, cause.stateOfRest, cause.reason)
            case .assigned where !nodes[index].isHanded:
                effects.append(.withdrawn(nodes[index].id))
                conclude(index, cause.stateOfRest, cause.reason)
            case .assigned:
                effects.append(cause.endsProcesses ? .cancelling(nodes[index].id) : .withdrawn(nodes[index].id))
            case .started where cause.endsProcesses: effects.append(.cancelling(nodes[index].id))
            default: break
            }
        }
    }

    /// Whether an operator may still end it.
    public var mayBeCancelled: Bool { phase != .ended && stop?.endsProcesses != true }

    mutating func end() {
        phase = .ended
        hasChanged = true
        let came = judgement
        outcome = came
        effects.append(.ended(came))
    }

    /// Looks again at what came of a run that is over, after a node said better.
    mutating func judge() {
        let came = judgement
        guard came != outcome else { return }
        outcome = came
        effects.append(.ended(came))
    }

    private var judgement: Outcome {
        switch stop {
        case .cancelled: return .cancelled
        case .denied: return .denied
        case .halted: return .halted
        case .expired where counts[.expired] > 0: return .expired
        case .expired, nil: return counts[.succeeded] == nodes.count ? .succeeded : .failed
        }
    }
}
