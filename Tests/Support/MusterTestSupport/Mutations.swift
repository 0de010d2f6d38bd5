/// Damaged copies of a valid input, always the same ones, for parsers (after openssh's `regress/unittests/test_helper/fuzz.c`).
public enum Mutations {
    /// Calls `body` with each damaged copy.
    ///
    /// These are every prefix, every byte inverted in one bit, replaced, removed and doubled, and `count` seeded mixtures
    /// of such changes. At most about `limit` places are changed, evenly spread over the input.
    public static func of(
        _ input: [UInt8],
        seed: UInt64 = 1,
        count: Int = 500,
        limit: Int = 400,
        _ body: ([UInt8]) throws -> Void
    ) rethrows {
        let step = max(1, input.count / limit)
        for index in stride(from: 0, to: input.count, by: step) {
            try body(Array(input[..<index]))
            for replacement in [input[index] ^ (1 << (UInt8(truncatingIfNeeded: index) % 8)), 0, 0xFF] {
                var copy = input
                copy[index] = replacement
                if copy != input { try body(copy) }
            }
            var copy = input
            copy.remove(at: index)
            try body(copy)
            copy = input
            copy.insert(input[index], at: index)
            try body(copy)
        }
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<count { try body(mixture(input, &generator)) }
    }

    private static func mixture(_ input: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var copy = input
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !copy.isEmpty {
            let index = Int.random(in: copy.indices, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: copy[index] = UInt8.random(in: 0...255, using: &generator)
            case 1: copy.remove(at: index)
            case 2: copy.insert(UInt8.random(in: 0...255, using: &generator), at: index)
            default:
                let end = min(copy.count, index + Int.random(in: 1...64, using: &generator))
                copy.replaceSubrange(index..<end, with: copy[..<(end - index)])
            }
        }
        return copy
    }
}
