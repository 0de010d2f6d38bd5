extension SerialSet {
    /// Most bits of a bitmap: OpenSSH reads numbers of at most 16,384 bits.
    static let bitmapLimit: UInt64 = 16384

    /// The parts of a KRL that name exactly these serials in the fewest bytes.
    ///
    /// One list holds single serials (8 bytes each), a range costs 21 bytes, a bitmap 18 and one for 8 serials from its first
    /// to its last. Which way is shortest for all is found from left to right: the best way to name the runs up to one of them
    /// ends with a range, with entries of the list, or with a bitmap over it and some runs before it. Of these, the best
    /// beginning is kept in a queue, so the work is in proportion to the runs.
    var parts: [SSHRevocationList.CertificatePart] {
        var listed: [UInt64] = []
        var parts: [SSHRevocationList.CertificatePart] = []
        var end = ranges.count
        let choices = Self.choices(ranges)
        while end > 0 {
            let choice = choices[end - 1]
            let range = ranges[end - 1]
            switch choice {
            case .list: for serial in range.reversed() { listed.append(serial) }
            case .range: parts.append(.range(range))
            case .bitmap(let first):
                parts.append(Self.bitmap(ranges[first..<end]))
                end = first + 1
            }
            end -= 1
        }
        if !listed.isEmpty { parts.append(.serials(listed.reversed())) }
        return parts.reversed()
    }

    private enum Choice {
        case list
        case range
        /// A bitmap that begins with this run.
        case bitmap(Int)
    }

    private static let bitsOfSerial: UInt64 = 64
    private static let bitsOfRange: UInt64 = 21 * 8
    private static let bitsOfBitmap: UInt64 = 18 * 8 + 7

    private static func choices(_ ranges: [ClosedRange<UInt64>]) -> [Choice] {
        var choices: [Choice] = []
        choices.reserveCapacity(ranges.count)
        /// Bits of the best way to name the runs before each, at the index of the run.
        var costs: [UInt64] = [0]
        costs.reserveCapacity(ranges.count + 1)
        /// Runs that a bitmap may begin with, the best first: those that are later and better drive out earlier ones.
        var queue: [Int] = []
        var head = 0
        func weight(_ first: Int) -> Int64 {
            // Differences only are compared, within one bitmap's reach, so wrapping does no harm.
            Int64(bitPattern: costs[first] &- ranges[first].lowerBound)
        }
        for (index, range) in ranges.enumerated() {
            while queue.count > head, weight(queue[queue.count - 1]) &- weight(index) >= 0 { queue.removeLast() }
            queue.append(index)
            while head < queue.count, range.upperBound - ranges[queue[head]].lowerBound >= bitmapLimit { head += 1 }
            var best = costs[index] + bitsOfRange
            var choice = Choice.range
            let length = range.upperBound - range.lowerBound
            if length < 2, costs[index] + bitsOfSerial * (length + 1) <= best {
                best = costs[index] + bitsOfSerial * (length + 1)
                choice = .list
            }
            if head < queue.count {
                let first = queue[head]
                let bits = costs[first] + bitsOfBitmap + (range.upperBound - ranges[first].lowerBound + 1)
                if bits < best {
                    best = bits
                    choice = .bitmap(first)
                }
            }
            costs.append(best)
            choices.append(choice)
        }
        return choices
    }

    private static func bitmap(_ ranges: ArraySlice<ClosedRange<UInt64>>) -> SSHRevocationList.CertificatePart {
        guard let first = ranges.first, let last = ranges.last else { return .serials([]) }
        let offset = first.lowerBound
        let count = Int(last.upperBound - offset) / 8 + 1
        var bits = [UInt8](repeating: 0, count: count)
        for range in ranges {
            for serial in range {
                let bit = Int(serial - offset)
                bits[count - 1 - bit / 8] |= 1 << UInt8(bit % 8)
            }
        }
        return .bitmap(offset: offset, bits: bits)
    }
}
