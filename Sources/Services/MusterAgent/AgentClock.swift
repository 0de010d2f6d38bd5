import ByteCoding
import MusterSystem

/// Time and chance as the agent takes them, so that tests can give both.
public struct AgentClock: Sendable {
    /// The time of day.
    public var now: @Sendable () -> UTCTime
    /// Milliseconds of a clock that only goes forward.
    public var monotonic: @Sendable () -> Int64
    /// Waits; throws when the task is cancelled.
    public var sleep: @Sendable (Duration) async throws(CancellationError) -> Void
    /// A number by chance, for spreading what many nodes do at once.
    public var random: @Sendable () -> UInt64

    /// A clock of these parts.
    public init(
        now: @escaping @Sendable () -> UTCTime,
        monotonic: @escaping @Sendable () -> Int64,
        sleep: @escaping @Sendable (Duration) async throws(CancellationError) -> Void,
        random: @escaping @Sendable () -> UInt64
    ) {
        self.now = now
        self.monotonic = monotonic
        self.sleep = sleep
        self.random = random
    }

    /// The machine's own.
    public static let system = AgentClock(
        now: WallClock.now,
        monotonic: MonotonicClock.milliseconds,
        sleep: { duration throws(CancellationError) in
            do {
                try await Task.sleep(for: duration)
            } catch {
                throw CancellationError()
            }
        },
        random: { UInt64.random(in: .min ... .max) }
    )
}
