import ArgumentParser

/// Serials of certificates as people write them: `17`, or `17-40` with both ends.
struct SerialRange: ExpressibleByArgument, Hashable, Sendable {
    /// The serials: from 1 on, as far as a signed number goes.
    let serials: ClosedRange<UInt64>

    init?(argument: String) {
        let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
            part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(part).map(UInt64.init) : nil
        }
        guard parts.count <= 2, numbers.count == parts.count, let first = numbers.first, let last = numbers.last,
            first > 0, first <= last
        else { return nil }
        serials = first...last
    }
}

extension [SerialRange] {
    /// Every serial once, in order; nil where there are more than `limit`.
    func serials(limit: Int) -> [UInt64]? {
        var found: Set<UInt64> = []
        for range in self {
            guard range.serials.upperBound - range.serials.lowerBound < UInt64(limit) else { return nil }
            found.formUnion(range.serials)
            guard found.count <= limit else { return nil }
        }
        return found.sorted()
    }
}
