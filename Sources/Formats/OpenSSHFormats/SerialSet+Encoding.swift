extension SerialSet {
    /// Most bits of a bitmap: OpenSSH reads numbers of at most 16,384 bits.
    static let bitmapLimit: UInt64 = 16384

    /// What parts of a KRL cost those who read it: their bytes, and sshd's work with each connection.
    ///
    /// sshd unpacks a list into a tree of ranges, at each of the four times that it looks at it for one login: an entry of a
    /// list, or a bit of a bitmap, is a step of that work, a range with its own section about two, however long it is. Beside
    /// that, bytes cost it nothing; but each node has to fetch them.
    struct Price: Hashable, Sendable {
        /// For how many sixteenths of a bit a step of work is saved; 0: only the bytes count.
        let step: UInt64

        /// Hardly a byte is spared where that costs work.
        static let leastWork = Price(step: 256 * bit)
        /// The fewest bytes.
        static let leastBytes = Price(step: 0)

        fileprivate static let bit: UInt64 = 16
        fileprivate var serial: UInt64 { 64 * Self.bit + step }
        fileprivate var range: UInt64 { 21 * 8 * Self.bit + 2 * step }
        fileprivate var bitmap: UInt64 { (18 * 8 + 7) * Self.bit }
    }

    /// The parts of a KRL that name exactly these serials at the lowest price.
    ///
    /// One list holds single serials (8 bytes each), a range costs 21 bytes, a bitmap 18 and one for 8 serials from its first
    /// to its last, whether they are named there or not: long runs in its reach may be ranges beside it. Which way is best for
    /// all is found from left to right: the best way to name the runs up to one of them ends with a range, with entries of the
    /// list, or with a bitmap over it and some runs before it. Of these, the best beginning is kept in a queue, so the work is
    /// in proportion to the runs.
    func parts(_ price: Price) -> [SSHRevocationList.CertificatePart] {
        var listed: [UInt64] = []
        var parts: [SSHRevocationList.CertificatePart] = []
        var end = ranges.count
        let choices = Self.choices(ranges, price)
        while end > 0 {
            let range = ranges[end - 1]
            switch choices[end - 1] {
            case .list: for serial in range.reversed() { listed.append(serial) }
            case .range: parts.append(.range(range))
            case .bitmap(let first):
                let runs = ranges[first..<end]
                for run in runs.reversed() where !price.isBits(run) { parts.append(.range(run)) }
                parts.append(Self.bitmap(runs.filter(price.isBits)))
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

    private static func choices(_ ranges: [ClosedRange<UInt64>], _ price: Price) -> [Choice] {
        var choices: [Choice] = []
        choices.reserveCapacity(ranges.count)
        /// The price of the best way to name the runs before each, at the index of the run.
        var costs: [UInt64] = [0]
        costs.reserveCapacity(ranges.count + 1)
        /// The price of the runs before each where bitmaps reach over all of them, without the bitmaps.
        var covered: UInt64 = 0
        /// Runs that a bitmap may begin with, the best first: those that are later and better drive out earlier ones.
        var queue: [(run: Int, weight: Int64)] = []
        var head = 0
        for (index, range) in ranges.enumerated() {
            let isBits = price.isBits(range)
            if isBits {
                // Differences only are compared, within one bitmap's reach, so wrapping does no harm.
                let weight = Int64(bitPattern: costs[index] &- covered &- range.lowerBound &* Price.bit)
                while queue.count > head, queue[queue.count - 1].weight &- weight >= 0 { queue.removeLast() }
                queue.append((index, weight))
            }
            covered &+= price.covered(range)
            while head < queue.count, range.upperBound - ranges[queue[head].run].lowerBound >= bitmapLimit { head += 1 }
            var best = costs[index] + price.range
            var choice = Choice.range
            let length = range.upperBound - range.lowerBound
            if length < 2, costs[index] + price.serial * (length + 1) <= best {
                best = costs[index] + price.serial * (length + 1)
                choice = .list
            }
            if isBits, head < queue.count {
                let (first, weight) = queue[head]
                let whole =
                    UInt64(bitPattern: weight) &+ covered &+ (range.upperBound &+ 1) &* Price.bit &+ price.bitmap
                if whole < best {
                    best = whole
                    choice = .bitmap(first)
                }
            }
            costs.append(best)
            choices.append(choice)
        }
        return choices
    }

    private static func bitmap(_ ranges: [ClosedRange<UInt64>]) -> SSHRevocationList.CertificatePart {
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

extension SerialSet.Price {
    /// Whether a run in the reach of a bitmap is best named by its bits.
    fileprivate func isBits(_ range: ClosedRange<UInt64>) -> Bool {
        let length = range.upperBound - range.lowerBound
        return length < SerialSet.bitmapLimit && step * (length + 1) <= self.range
    }

    /// The price of a run in the reach of a bitmap, without the bitmap.
    fileprivate func covered(_ range: ClosedRange<UInt64>) -> UInt64 {
        isBits(range) ? step * (range.upperBound - range.lowerBound + 1) : self.range
    }
}
