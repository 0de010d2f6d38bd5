/// Serials of certificates as ranges: sorted, apart from each other, never 0.
public struct SerialSet: Hashable, Sendable {
    /// The ranges, in order; between two of them lies at least one number.
    public let ranges: [ClosedRange<UInt64>]

    /// The serials of ranges in any order, overlapping or not; 0 is left out, as no list may name it.
    public init(_ ranges: some Sequence<ClosedRange<UInt64>>) {
        let sorted = ranges.filter { $0.upperBound > 0 }.map { max(1, $0.lowerBound)...$0.upperBound }
            .sorted { $0.lowerBound < $1.lowerBound }
        var merged: [ClosedRange<UInt64>] = []
        for range in sorted {
            if let last = merged.last, range.lowerBound - 1 <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }

    /// The serials given, in any order.
    public init(serials: some Sequence<UInt64>) {
        self.init(serials.map { $0...$0 })
    }

    /// Whether there is none.
    public var isEmpty: Bool { ranges.isEmpty }

    /// How many there are; the largest number where there are more.
    public var count: UInt64 {
        ranges.reduce(0) { sum, range in
            let (count, overflow) = sum.addingReportingOverflow(range.upperBound - range.lowerBound)
            return overflow || count == .max ? .max : count + 1
        }
    }

    /// Whether the serial is among them.
    public func contains(_ serial: UInt64) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < serial { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(serial)
    }

    /// The serials of both.
    public func union(_ other: SerialSet) -> SerialSet { SerialSet(ranges + other.ranges) }
}
