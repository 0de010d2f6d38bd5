import ByteCoding
import MusterModel

/// What operators and the calendar do to a rollout.
extension Rollout {
    mutating func approve() {
        guard !isApproved, phase.isOpen else { return }
        isApproved = true
        hasChanged = true
        if phase == .awaitingApproval { phase = .running }
    }

    /// Stops assigning; takes back what no node is known to have begun.
    ///
    /// `by` is nil where it happens by itself.
    mutating func halt(_ reason: String, by: OperatorName?) {
        guard phase == .running || phase == .awaitingApproval else { return }
        phase = .halted(reason: reason, by: by)
        hasChanged = true
        withdrawAll()
        effects.append(.halted(reason: by.map { "halted by \($0): \(reason)" } ?? reason))
    }

    mutating func resume(_ by: OperatorName) {
        guard case .halted = phase else { return }
        phase = isApproved ? .running : .awaitingApproval
        forgiven = failures
        hasChanged = true
        forgetSample()
        giveUpPlaces()
        effects.append(.resumed(by: by))
        guard phase == .running else { return }
        for index in inFlight.sorted() where nodes[index].state == .withdrawn {
            visits += 1
            guard !mayGoOn(index) else {
                assignAgain(index)
                continue
            }
            nodes[index].since = clock
            silentDeadlines.append(DeadlineQueue.Entry(index: index, since: clock))
        }
    }

    /// Lost nodes, which an operator has seen when resuming, no longer keep others with their tags waiting.
    private mutating func giveUpPlaces() {
        for index in kept.sorted() {
            count(nodes[index], -1)
            nodes[index].keepsPlace = false
            count(nodes[index], 1)
        }
        kept = []
    }

    mutating func cancel(_ reason: String, _ by: OperatorName) {
        guard phase.isOpen else { return }
        end(.cancelled(reason: reason, by: by), "cancelled by \(by): \(reason)")
    }

    mutating func expireIfDue() {
        guard phase.isOpen, clock >= expires else { return }
        let before =
            switch phase {
            case .awaitingApproval: "while it waited for approval"
            case .halted(let reason, _): "while it was halted (\(reason))"
            default:
                "with \(counts[.confirmed]) of \(counts.present) nodes confirmed, \(counts[.skipped]) not in contact"
                    + (blockage.map { ", \(counts[.waiting]) waiting (\($0.reason))" } ?? "")
            }
        let reason = Self.clip("the statement expired at \(expires) \(before)")
        end(.expired(reason: reason), reason)
    }

    private mutating func end(_ phase: Phase, _ reason: String) {
        self.phase = phase
        bakesUntil = nil
        hasChanged = true
        withdrawAll()
        effects.append(.ended(reason: reason))
    }

    /// A node that kept its place while the rollout was halted, since it may have begun without our knowing.
    mutating func assignAgain(_ index: Int) {
        move(index, to: .assigned)
        effects.append(.assign(nodes[index].id))
    }

    private mutating func withdrawAll() {
        for index in inFlight.sorted() where nodes[index].state.isAssigned && !nodes[index].state.hasBegun {
            visits += 1
            effects.append(.withdraw(nodes[index].id))
            if nodes[index].handedAt != nil {
                move(index, to: .withdrawn)
            } else {
                sendBack(index)
            }
        }
    }
}
