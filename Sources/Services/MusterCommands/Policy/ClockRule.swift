import ByteCoding

/// The rule by which a zone's clocks go on after the last change that its file knows: `CET-1CEST,M3.5.0,M10.5.0/3`.
///
/// The form of POSIX's `TZ`, with RFC 9636's hours beyond a day.
struct ClockRule: Hashable, Sendable {
    /// One of the two days of a year on which the clocks change.
    private struct Day: Hashable, Sendable {
        enum Kind: Hashable, Sendable {
            /// Day 1 to 365, February 29 never counted.
            case julian(Int64)
            /// Day 0 to 365, February 29 counted.
            case zeroBased(Int64)
            /// The week-th (5: last) such weekday (0: Sunday) of the month.
            case weekday(month: Int64, week: Int64, day: Int64)
        }

        let kind: Kind
        /// Seconds after midnight by the clock before the change.
        let second: Int64
    }

    private struct Summer: Hashable, Sendable {
        let ahead: Int64
        let begins: Day
        let ends: Day
    }

    private let standard: Int64
    private let summer: Summer?

    init?(_ text: String) {
        var scanner = Scanner(rest: Array(text.utf8)[...])
        guard scanner.name(), let west = scanner.hours() else { return nil }
        standard = -west
        guard !scanner.rest.isEmpty else {
            summer = nil
            return
        }
        guard scanner.name() else { return nil }
        var ahead = standard + 3600
        if scanner.rest.first != UInt8(ascii: ",") {
            guard let west = scanner.hours() else { return nil }
            ahead = -west
        }
        guard scanner.take(","), let begins = scanner.day(), scanner.take(","), let ends = scanner.day(),
            scanner.rest.isEmpty
        else { return nil }
        summer = Summer(ahead: ahead, begins: begins, ends: ends)
    }

    /// How far ahead of UTC the clocks are, in seconds.
    func ahead(at second: Int64) -> Int64 {
        guard let summer else { return standard }
        let year = Self.year(of: second)
        // The latest change up to now decides; a year that has not had one goes on as the last one ended.
        let past = (year - 1...year + 1).flatMap { changes(of: $0, summer) }.filter { $0.second <= second }
        return past.max { $0.second < $1.second }?.ahead ?? standard
    }

    /// The moments at which the clocks change, those of the years from `start` to `end`, in seconds since 1970.
    func changes(from start: UTCTime, to end: UTCTime) -> [Int64] {
        guard let summer, start <= end else { return [] }
        let years = Self.year(of: start.seconds)...Self.year(of: end.seconds)
        return years.flatMap { changes(of: $0, summer).map(\.second) }.sorted()
    }

    private func changes(of year: Int64, _ summer: Summer) -> [(second: Int64, ahead: Int64)] {
        [
            (Self.second(of: summer.begins, in: year) - standard, summer.ahead),
            (Self.second(of: summer.ends, in: year) - summer.ahead, standard),
        ]
    }

    // MARK: - Calendar

    private static func year(of second: Int64) -> Int64 {
        Int64(UTCTime(seconds: min(max(second, 0), 253_402_300_799)).description.prefix(4)) ?? 1970
    }

    private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// Days from 1970-01-01 to the first of the month.
    private static func days(_ year: Int64, _ month: Int64) -> Int64 {
        let leaps = { (year: Int64) in year / 4 - year / 100 + year / 400 }
        let before: [Int64] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
        return (year - 1970) * 365 + leaps(year - 1) - leaps(1969) + before[Int(month - 1)]
            + (month > 2 && isLeap(year) ? 1 : 0)
    }

    private static func second(of day: Day, in year: Int64) -> Int64 {
        let number: Int64
        switch day.kind {
        case .julian(let day): number = days(year, 1) + day - 1 + (day > 59 && isLeap(year) ? 1 : 0)
        case .zeroBased(let day): number = days(year, 1) + day
        case .weekday(let month, let week, let weekday):
            let first = days(year, month)
            let next = month == 12 ? days(year + 1, 1) : days(year, month + 1)
            // Day 0, 1970-01-01, was a Thursday.
            var day = first + ((weekday - (first + 4) % 7) % 7 + 7) % 7 + (week - 1) * 7
            while day >= next { day -= 7 }
            number = day
        }
        return number * 86400 + day.second
    }

    // MARK: - Text

    private struct Scanner {
        var rest: ArraySlice<UInt8>

        mutating func take(_ text: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: text) else { return false }
            rest = rest.dropFirst()
            return true
        }

        /// A zone's short name: letters, or anything between angle brackets.
        mutating func name() -> Bool {
            if take("<") {
                guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
                rest = rest[(end + 1)...]
                return true
            }
            let letters = rest.prefix { ($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z") }
            rest = rest.dropFirst(letters.count)
            return letters.count >= 3
        }

        mutating func number(_ range: ClosedRange<Int64>) -> Int64? {
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard (1...3).contains(digits.count), let number = Int64(String(decoding: digits, as: UTF8.self)),
                range.contains(number)
            else { return nil }
            rest = rest.dropFirst(digits.count)
            return number
        }

        /// `[+-]h[:mm[:ss]]`, in seconds.
        mutating func hours() -> Int64? {
            let sign: Int64 = take("-") ? -1 : 1
            if sign == 1 { _ = take("+") }
            guard var seconds = number(0...167).map({ $0 * 3600 }) else { return nil }
            for unit: Int64 in [60, 1] where take(":") {
                guard let more = number(0...59) else { return nil }
                seconds += more * unit
            }
            return sign * seconds
        }

        mutating func day() -> Day? {
            let kind: Day.Kind
            if take("M") {
                guard let month = number(1...12), take("."), let week = number(1...5), take("."),
                    let day = number(0...6)
                else { return nil }
                kind = .weekday(month: month, week: week, day: day)
            } else if take("J") {
                guard let day = number(1...365) else { return nil }
                kind = .julian(day)
            } else {
                guard let day = number(0...365) else { return nil }
                kind = .zeroBased(day)
            }
            guard take("/") else { return Day(kind: kind, second: 7200) }
            return hours().map { Day(kind: kind, second: $0) }
        }
    }
}
