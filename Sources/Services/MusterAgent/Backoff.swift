/// How long to wait before something is tried again: twice as long each time, spread by chance.
///
/// A value without a clock: `next` says how long, the caller waits.
public struct Backoff: Sendable {
    /// How often and how fast.
    public struct Policy: Sendable {
        /// How often it is tried again; nil for ever.
        public var attempts: Int?
        /// Milliseconds of the first wait.
        public var first: Int64
        /// Milliseconds of the longest wait.
        public var longest: Int64

        /// A policy.
        public init(attempts: Int? = nil, first: Int64 = 1000, longest: Int64 = 60000) {
            self.attempts = attempts
            self.first = first
            self.longest = longest
        }
    }

    private let policy: Policy
    private var count = 0
    private var state: UInt64

    /// A backoff that waits the same for the same seed.
    public init(_ policy: Policy, seed: UInt64) {
        self.policy = policy
        state = seed
    }

    /// The next wait, between half and the whole of what doubling has come to; nil when it is enough.
    public mutating func next() -> Duration? {
        if let attempts = policy.attempts, count >= attempts { return nil }
        let doubled = policy.first.multipliedReportingOverflow(by: 1 << Int64(min(count, 30)))
        let whole = doubled.overflow ? policy.longest : min(doubled.partialValue, policy.longest)
        count += 1
        return .milliseconds(whole - Int64(chance() % UInt64(whole / 2 + 1)))
    }

    /// Begins anew after a success.
    public mutating func reset() {
        count = 0
    }

    /// SplitMix64.
    private mutating func chance() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
