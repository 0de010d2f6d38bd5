import CanonicalJSON

/// What a node said of one metric: `[120, 135]`, null for what is not known.
struct Figure: Hashable, Sendable {
    /// While it was not upgraded: of a node of the panel the first that it said, of others the last.
    var before: Int64?
    /// The last that it said: since it was upgraded, or of a node of the panel while it is not.
    var now: Int64?

    init() {}

    init?(_ value: JSONValue) {
        guard case .array(let pair) = value, pair.count == 2 else { return nil }
        for (index, value) in pair.enumerated() {
            switch value {
            case .null: break
            case .integer(let number) where index == 0: before = number
            case .integer(let number): now = number
            default: return nil
            }
        }
    }

    var json: JSONValue {
        .array([before.map { .integer($0) } ?? .null, now.map { .integer($0) } ?? .null])
    }

    /// By how many percent it has risen; nil where it is not known.
    var change: Double? {
        guard let before, let now else { return nil }
        return Self.percent(from: Double(before), to: Double(now))
    }

    /// By how many percent `to` is above `from`, within a million.
    static func percent(from: Double, to: Double) -> Double {
        guard from != to else { return 0 }
        guard from != 0 else { return to > 0 ? 1_000_000 : -1_000_000 }
        return min(1_000_000, max(-1_000_000, (to - from) / abs(from) * 100))
    }
}

extension [Double] {
    /// The value in the middle: one node in two may report nonsense without moving it far; 0 where there are none.
    var median: Double {
        guard !isEmpty else { return 0 }
        let sorted = sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
