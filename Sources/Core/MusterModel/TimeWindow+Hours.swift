import ByteCoding
import CanonicalJSON

extension TimeWindow {
    /// How many days ahead an opening is looked for: a week, and another should the clock jump over the first.
    private static let daysAhead: Int64 = 15

    /// Whether a rule with this window holds at `time`.
    public func isOpen(at time: UTCTime) -> Bool {
        guard unknown.count == 0, let offset = minutesAhead(at: time) else { return false }
        let (day, minute) = Self.wall(time, offset)
        guard to <= from else { return minute >= from && minute < to && begins(on: day) }
        return (minute >= from && begins(on: day)) || (minute < to && begins(on: day - 1))
    }

    /// The first moment from `time` on at which it is open; nil where none is near.
    public func opens(from time: UTCTime) -> UTCTime? {
        guard let first = offsets.first else { return nil }
        return moments(from: max(time, first.from), at: [from]).first(where: isOpen)
    }

    /// The first moment from `time` on at which it is not open; nil where none is near.
    public func closes(from time: UTCTime) -> UTCTime? {
        moments(from: time, at: [0, from, to % Self.day]).first { !isOpen(at: $0) }
    }

    /// The moments from `start` on at which the clock on the wall shows one of these minutes of the day, or jumps.
    private func moments(from start: UTCTime, at minutesOfDay: [Int64]) -> [UTCTime] {
        let end = start.adding(seconds: Self.daysAhead * 86400)
        var moments = [start]
        // It opens where the clock shows its hour, or where the clock jumps into it.
        moments += offsets.map(\.from).filter { $0 > start && $0 <= end }
        for minutes in Set(offsets.map(\.minutes)) {
            let (day, _) = Self.wall(start, minutes)
            for next in day...(day + Self.daysAhead) {
                for minute in minutesOfDay {
                    let moment = UTCTime(seconds: (next * Self.day + minute - minutes) * 60)
                    if moment > start { moments.append(moment) }
                }
            }
        }
        return moments.sorted()
    }

    /// `mon-fri 08:00-18:00 Europe/Berlin`.
    public var text: String {
        let hours = Self.text(ofMinute: from) + "-" + Self.text(ofMinute: to)
        guard let days else { return "\(hours) \(zone)" }
        return "\(Self.text(of: days)) \(hours) \(zone)"
    }

    private func minutesAhead(at time: UTCTime) -> Int64? {
        offsets.last { $0.from <= time }?.minutes
    }

    private func begins(on day: Int64) -> Bool {
        guard let days else { return true }
        // Day 0, 1970-01-01, was a Thursday.
        let index = Int(((day + 3) % 7 + 7) % 7)
        return days.contains(Weekday.allCases[index])
    }

    /// The day since 1970 and the minute of it that a clock so many minutes ahead shows.
    private static func wall(_ time: UTCTime, _ minutes: Int64) -> (day: Int64, minute: Int64) {
        let seconds = time.seconds
        let wall = (seconds >= 0 ? seconds / 60 : (seconds - 59) / 60) + minutes
        let day = wall >= 0 ? wall / Self.day : (wall - Self.day + 1) / Self.day
        return (day, wall - day * Self.day)
    }

    /// Days that follow each other as a span.
    private static func text(of days: [Weekday]) -> String {
        var spans: [[Weekday]] = []
        for (index, day) in Weekday.allCases.enumerated() where days.contains(day) {
            if let last = spans.last?.last, index > 0, Weekday.allCases[index - 1] == last {
                spans[spans.count - 1].append(day)
            } else {
                spans.append([day])
            }
        }
        return spans.map { span in
            guard let first = span.first, let last = span.last, span.count > 2 else {
                return span.map(\.rawValue).joined(separator: ",")
            }
            return "\(first.rawValue)-\(last.rawValue)"
        }.joined(separator: ",")
    }
}

extension [TimeWindow] {
    /// Whether any of them is open; none is where there are none.
    public func isOpen(at time: UTCTime) -> Bool { contains { $0.isOpen(at: time) } }

    /// The first moment from `time` on at which one of them is open.
    public func opens(from time: UTCTime) -> UTCTime? { compactMap { $0.opens(from: time) }.min() }

    /// The first moment from `time` on at which none of them is open; nil where none is near.
    public func closes(from time: UTCTime) -> UTCTime? {
        var moment = time
        // One may be open when another closes, and so on; each round ends one of them.
        for _ in 0..<64 {
            let open = filter { $0.isOpen(at: moment) }
            guard !open.isEmpty else { return moment }
            var last = moment
            for window in open {
                guard let end = window.closes(from: moment) else { return nil }
                last = Swift.max(last, end)
            }
            moment = last
        }
        return moment
    }
}
