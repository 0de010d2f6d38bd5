import ByteCoding
import Glibc

/// The clock on the wall: may be wrong, may jump.
public enum WallClock {
    /// The time of day as this machine believes it.
    public static func now() -> UTCTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UTCTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

/// A clock that only goes forward, for deadlines and durations; it also counts while the machine sleeps.
public enum MonotonicClock {
    /// Milliseconds since the machine started.
    public static func milliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
