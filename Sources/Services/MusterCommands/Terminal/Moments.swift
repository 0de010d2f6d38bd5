import ByteCoding

/// Moments and spans in words for people.
enum Moments {
    /// `now`, `40 s ago`, `5 min ago`, `3 h ago`, `12 d ago`.
    static func ago(_ time: UTCTime, now: UTCTime) -> String {
        let seconds = now.seconds - time.seconds
        return switch seconds {
        case ..<5: "now"
        case ..<120: "\(seconds) s ago"
        case ..<7200: "\(seconds / 60) min ago"
        case ..<172_800: "\(seconds / 3600) h ago"
        default: "\(seconds / 86400) d ago"
        }
    }

    /// `40 s`, `5 min`, `2 h 30 min`, `12 d`.
    static func span(_ seconds: Int) -> String {
        switch seconds {
        case ..<120: "\(max(0, seconds)) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<172_800: seconds % 3600 < 60 ? "\(seconds / 3600) h" : "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: "\(seconds / 86400) d"
        }
    }

    /// `2.1 MB`, `34 kB`, `512 B`.
    static func size(_ bytes: Int64) -> String {
        switch bytes {
        case ..<1000: return "\(bytes) B"
        case ..<1_000_000: return tenths(bytes, 1000) + " kB"
        case ..<1_000_000_000: return tenths(bytes, 1_000_000) + " MB"
        default: return tenths(bytes, 1_000_000_000) + " GB"
        }
    }

    private static func tenths(_ bytes: Int64, _ unit: Int64) -> String {
        let tenths = (bytes * 10 + unit / 2) / unit
        return tenths >= 100 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
