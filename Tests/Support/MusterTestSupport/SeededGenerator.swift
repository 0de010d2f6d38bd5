/// SplitMix64: the same numbers for the same seed, in every run.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator that begins at `seed`.
    public init(seed: UInt64) {
        state = seed
    }

    /// The next number.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// `bytes` with one to four small changes: a flipped bit, a lost, doubled or swapped piece, an interesting byte.
    public mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &self) where !bytes.isEmpty {
            let position = Int.random(in: 0..<bytes.count, using: &self)
            let end = min(bytes.count, position + Int.random(in: 1...16, using: &self))
            switch Int.random(in: 0..<5, using: &self) {
            case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &self)
            case 1: bytes.removeSubrange(position..<end)
            case 2: bytes.insert(contentsOf: bytes[position..<end], at: position)
            case 3: bytes.swapAt(position, Int.random(in: 0..<bytes.count, using: &self))
            default: bytes[position] = Array("\"\\{}[],:019-eu \u{0}\u{7F}".utf8).randomElement(using: &self) ?? 0xFF
            }
        }
        return bytes
    }
}
