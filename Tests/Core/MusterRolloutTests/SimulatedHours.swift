import ByteCoding
import MusterModel

@testable import MusterRollout

/// Hours that open and close again and again, and can be frozen.
struct SimulatedHours {
    private let open: Int64
    private let closed: Int64
    var isFrozen = false

    init(open: Int, closed: Int) {
        self.open = Int64(open) * 1000
        self.closed = Int64(closed) * 1000
    }

    func slot(at time: UTCTime) -> Slot {
        guard open > 0 else { return .closed(until: nil, reason: "its hours never open") }
        let begun = time.milliseconds % (open + closed)
        let opens = time.adding(milliseconds: open + closed - begun)
        if isFrozen { return .closed(until: opens, reason: "frozen until \(opens)") }
        guard begun < open else { return .closed(until: opens, reason: "outside its hours until \(opens)") }
        return .open(until: time.adding(milliseconds: open - begun))
    }
}

extension Rollout {
    /// The time that the engine goes by: a clock that steps back does not take it back.
    func latest(_ reading: UTCTime) -> UTCTime { max(clock, reading) }
}
