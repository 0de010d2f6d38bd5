import ByteCoding

/// How far an expiry is away when people are told of it: each of these is announced once.
public enum ExpiryThreshold: Int, CaseIterable, Comparable, Sendable {
    case month = 30
    case week = 7
    case day = 1
    case expired = 0

    /// Days before the expiry.
    public var days: Int { rawValue }

    var milliseconds: Int64 { Int64(rawValue) * 86_400_000 }

    /// How loud it is said.
    public var level: NoticeLevel {
        switch self {
        case .month: .notice
        case .week: .warning
        case .day, .expired: .urgent
        }
    }

    /// What is more urgent comes later in this order.
    public static func < (left: ExpiryThreshold, right: ExpiryThreshold) -> Bool {
        left.rawValue > right.rawValue
    }

    /// The most urgent threshold that `expires` has come to at `time`, of those that `counts` lets count.
    public static func reached(
        by expires: UTCTime,
        at time: UTCTime,
        where counts: (ExpiryThreshold) -> Bool = { _ in true }
    ) -> ExpiryThreshold? {
        let rest = expires - time
        return allCases.filter { counts($0) && rest <= $0.milliseconds }.max()
    }
}

/// How loud something is said.
public enum NoticeLevel: String, CaseIterable, Comparable, Sendable {
    /// Good to know.
    case notice
    /// Worth a look this week.
    case warning
    /// Needs somebody today.
    case urgent

    /// What is louder comes later in this order.
    public static func < (left: NoticeLevel, right: NoticeLevel) -> Bool {
        left.rank < right.rank
    }

    private var rank: Int {
        switch self {
        case .notice: 0
        case .warning: 1
        case .urgent: 2
        }
    }
}
