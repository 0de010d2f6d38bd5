/// SipHash-2-4 (Aumasson and Bernstein, 2012): a short text as a number that nobody foresees who does not know the key.
///
/// A tenth of what SHA-256 costs, which counts where a hundred thousand nodes are put in order within one step.
struct SipHash {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    /// The hash of `bytes` under a key of 16 bytes, given as two little-endian words.
    static func hash(_ bytes: some Sequence<UInt8>, key: (UInt64, UInt64)) -> UInt64 {
        var state = SipHash(key)
        var word: UInt64 = 0
        var count: UInt64 = 0
        for byte in bytes {
            word |= UInt64(byte) << (8 * (count % 8))
            count += 1
            guard count % 8 == 0 else { continue }
            state.take(word)
            word = 0
        }
        state.take(word | (count & 0xFF) << 56)
        return state.finish()
    }

    private init(_ key: (UInt64, UInt64)) {
        v0 = key.0 ^ 0x736F_6D65_7073_6575
        v1 = key.1 ^ 0x646F_7261_6E64_6F6D
        v2 = key.0 ^ 0x6C79_6765_6E65_7261
        v3 = key.1 ^ 0x7465_6462_7974_6573
    }

    private mutating func take(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    private mutating func finish() -> UInt64 {
        v2 ^= 0xFF
        for _ in 0..<4 { round() }
        return v0 ^ v1 ^ v2 ^ v3
    }

    private mutating func round() {
        v0 = v0 &+ v1
        v2 = v2 &+ v3
        v1 = Self.turn(v1, 13) ^ v0
        v3 = Self.turn(v3, 16) ^ v2
        v0 = Self.turn(v0, 32)
        v2 = v2 &+ v1
        v0 = v0 &+ v3
        v1 = Self.turn(v1, 17) ^ v2
        v3 = Self.turn(v3, 21) ^ v0
        v2 = Self.turn(v2, 32)
    }

    private static func turn(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
}
