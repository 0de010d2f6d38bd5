import ByteCoding
import MusterModel

/// Turns: which nodes are given the run next.
extension Run {
    /// Seconds after its last contact for which a node counts as there; agents ask for work every minute.
    static let contactSeconds: Int64 = 120

    mutating func approve() {
        guard phase == .waiting else { return }
        phase = .scheduled
        hasChanged = true
    }

    func isPresent(_ node: RunNode) -> Bool {
        guard limits.isByAgent, let contact = node.contact else { return false }
        return contact.adding(seconds: Self.contactSeconds) > clock
    }

    mutating func contact(_ index: Int, at time: UTCTime) {
        guard nodes[index].contact.map({ $0 < time }) ?? true else { return }
        nodes[index].contact = min(time, clock)
        if nodes[index].state == .waiting { cursor = min(cursor, index) }
    }

    mutating func hand(_ index: Int) {
        guard nodes[index].state == .assigned else { return }
        contact(index, at: clock)
        if stop == nil { nodes[index].isHanded = true }
    }

    mutating func tell(_ index: Int) {
        guard nodes[index].state == .assigned, stop != nil else { return }
        contact(index, at: clock)
        if nodes[index].told == nil { nodes[index].told = clock }
    }

    /// Begins when it may, gives free places to nodes that are there, and ends when nothing is left to wait for.
    mutating func drive() {
        if phase == .scheduled, stop == nil, (notBefore ?? clock) <= clock {
            phase = .running
            hasChanged = true
            effects.append(.began)
        }
        if phase == .running, let most = limits.maxFailures, counts.failures > most {
            cease(
                .halted(
                    reason: "\(counts.failures) nodes failed, more than the \(most) that may: no further one begins"
                )
            )
        }
        if phase == .running { assign() }
        if phase == .running || phase == .stopping, counts[.waiting] == 0, inFlight.isEmpty { end() }
    }

    private mutating func assign() {
        guard limits.isByAgent else { return }
        repeat {
            var free = limits.places.map { $0 - inFlight.count } ?? Int.max
            var index = cursor
            while index < openCount {
                if nodes[index].state == .waiting, isPresent(nodes[index]) {
                    guard free > 0 else { break }
                    free -= 1
                    give(index)
                }
                index += 1
            }
            cursor = index
        } while opensNextBatch()
    }

    private mutating func give(_ index: Int) {
        set(index, .assigned)
        nodes[index].assigned = clock
        nodes[index].isHanded = false
        nodes[index].told = nil
        effects.append(.assigned(nodes[index].id))
    }

    /// The next batch begins once every node of the earlier ones has ended or is not there.
    private mutating func opensNextBatch() -> Bool {
        guard inFlight.isEmpty, cursor == openCount, openCount < nodes.count else { return false }
        openCount = min(nodes.count, openCount + limits.batch)
        hasChanged = true
        return true
    }
}
