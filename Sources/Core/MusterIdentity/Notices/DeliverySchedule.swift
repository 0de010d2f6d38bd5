import ByteCoding

/// When a message that could not be delivered is tried again.
public enum DeliverySchedule {
    /// After the first failure.
    private static let first: Int64 = 30_000
    /// The longest pause.
    private static let longest: Int64 = 3_600_000
    /// How long a message is worth being delivered.
    private static let lifetime: Int64 = 7 * 86_400_000

    /// The next attempt after `failures` failures in a row, the last at `time`; nil where the message is given up.
    ///
    /// The pauses double from half a minute to an hour; a message is given up a week after it was made.
    public static func next(after failures: Int, made: UTCTime, time: UTCTime) -> UTCTime? {
        guard time - made < lifetime else { return nil }
        return time.adding(milliseconds: min(longest, first << min(max(0, failures - 1), 10)))
    }
}
