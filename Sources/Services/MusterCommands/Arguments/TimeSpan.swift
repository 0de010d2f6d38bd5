import ArgumentParser

/// A span of time on the command line: `90s`, `5m`, `24h`, `7d`.
struct TimeSpan: ExpressibleByArgument, Sendable, Hashable {
    let seconds: Int

    init(seconds: Int) {
        self.seconds = seconds
    }

    init?(argument: String) {
        guard let unit = argument.last, let count = Int(argument.dropLast()), (0...1_000_000).contains(count) else {
            return nil
        }
        switch unit {
        case "s": seconds = count
        case "m": seconds = count * 60
        case "h": seconds = count * 3600
        case "d": seconds = count * 86400
        default: return nil
        }
    }

    var defaultValueDescription: String {
        if seconds > 0, seconds % 86400 == 0 { return "\(seconds / 86400)d" }
        if seconds > 0, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        if seconds > 0, seconds % 60 == 0 { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }
}
