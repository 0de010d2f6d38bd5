import ByteCoding
import CanonicalJSON

/// The hours of the week in which a rule of the policy holds, by the clock on the wall of one time zone.
///
/// ```
/// {"days": ["mon", "fri"], "from": "22:00", "to": "06:00", "zone": "Europe/Berlin",
///  "offsets": [{"from": "2026-01-01T00:00:00Z", "minutes": 60}, {"from": "2026-03-29T01:00:00Z", "minutes": 120}]}
/// ```
/// `days` are those on which the window begins; without them every day. A window whose `to` is not after its `from` goes on
/// past midnight into the next day; `to` may be `24:00`, and `00:00` to `24:00` is the whole day.
///
/// What the clock on the wall shows is said by `offsets`, minutes east of UTC from each moment on. They are worked out when
/// the policy is compiled, so that every node judges alike, however old its time zone database is. Before the first of them
/// the window is closed: nobody knows the hour. Where the clock jumps forward, the hour that is left out never comes and a
/// window within it stays closed that day; where it is set back, the hour that comes twice is open twice.
///
/// Compatibility: a window with a member that this program does not know is never open here.
public struct TimeWindow: Hashable, Sendable {
    /// A day of the week, in the order of the week.
    public enum Weekday: String, Hashable, Sendable, CaseIterable {
        case monday = "mon"
        case tuesday = "tue"
        case wednesday = "wed"
        case thursday = "thu"
        case friday = "fri"
        case saturday = "sat"
        case sunday = "sun"
    }

    /// What the zone's clock shows from a moment on: `{"from": "…Z", "minutes": 120}`.
    public struct Offset: Hashable, Sendable {
        /// How far a clock may be from UTC, in minutes.
        public static let range: ClosedRange<Int64> = -1080...1080

        /// The first moment at which it holds.
        public let from: UTCTime
        /// Minutes ahead of UTC.
        public let minutes: Int64

        /// An offset.
        public init(from: UTCTime, minutes: Int64) {
            self.from = from.wholeSeconds
            self.minutes = minutes
        }
    }

    /// Most offsets of a window: two changes a year for a century and a half.
    public static let offsetLimit = 320
    /// Minutes of a day.
    public static let day: Int64 = 1440

    /// The days on which it begins; nil for every day.
    public let days: [Weekday]?
    /// The minute of the day at which it opens.
    public let from: Int64
    /// The minute of the day at which it closes, of the next day where it is not after `from`.
    public let to: Int64
    /// The time zone's name, for people.
    public let zone: String
    /// What the zone's clock shows, in the order of time.
    public let offsets: [Offset]
    /// Members that this program does not know: the window is closed here.
    public let unknown: JSONObject

    /// A window of these parts; the error says which does not make sense.
    public init(
        days: [Weekday]? = nil,
        from: Int64,
        to: Int64,
        zone: String,
        offsets: [Offset]
    ) throws(JSONError) {
        self.days = days
        self.from = from
        self.to = to
        self.zone = zone
        self.offsets = offsets
        unknown = JSONObject()
        try check("")
    }

    /// Reads a window.
    public init(_ fields: JSONFields) throws(JSONError) {
        days = try fields.optional("days") { fields, key throws(JSONError) in
            var days: [Weekday] = []
            for (index, name) in try fields.strings(key, limit: 7, each: 16).enumerated() {
                guard let day = Weekday(rawValue: name) else {
                    throw fields.error(
                        "\(key)[\(index)]",
                        "'\(name)' is not a day: mon, tue, wed, thu, fri, sat or sun"
                    )
                }
                days.append(day)
            }
            return days
        }
        from = try Self.minute(fields, "from")
        to = try Self.minute(fields, "to")
        zone = try fields.string("zone", limit: 64)
        offsets = try fields.objects("offsets", limit: Self.offsetLimit).map { entry throws(JSONError) in
            let offset = Offset(
                from: try entry.time("from"),
                minutes: try entry.integer("minutes", in: Offset.range)
            )
            guard entry.object.count == 2 else { throw entry.error("", "has other members than from and minutes") }
            return offset
        }
        unknown = fields.others(than: ["days", "from", "to", "zone", "offsets"])
        try check(fields.path)
    }

    /// The window as documents carry it.
    public var json: JSONValue {
        var object = unknown
        if let days { object["days"] = .array(days.map { .string($0.rawValue) }) }
        object["from"] = .string(Self.text(ofMinute: from))
        object["to"] = .string(Self.text(ofMinute: to))
        object["zone"] = .string(zone)
        object["offsets"] = .array(
            offsets.map { ["from": JSONValue($0.from), "minutes": .integer($0.minutes)] }
        )
        return .object(object)
    }

    private func check(_ path: String) throws(JSONError) {
        func refuse(_ member: String, _ reason: String) -> JSONError {
            JSONError(location: path.isEmpty ? member : path + "." + member, reason: reason)
        }
        if let days {
            guard !days.isEmpty else { throw refuse("days", "is empty: leave it out for every day") }
            guard Set(days).count == days.count else { throw refuse("days", "names a day twice") }
        }
        guard (0..<Self.day).contains(from), (1...Self.day).contains(to) || to == 0 else {
            throw refuse("from", "a window lies between 00:00 and 24:00")
        }
        guard from != to else { throw refuse("to", "is the same as 'from': 00:00 to 24:00 is the whole day") }
        guard !offsets.isEmpty else { throw refuse("offsets", "is empty") }
        for (before, after) in zip(offsets, offsets.dropFirst()) where before.from >= after.from {
            throw refuse("offsets", "are not in the order of time")
        }
        for offset in offsets where !Offset.range.contains(offset.minutes) {
            throw refuse("offsets", "\(offset.minutes) minutes is no time zone's")
        }
    }

    /// The minute of the day that `HH:MM` means, up to `24:00`; nil for any other text.
    public static func minute(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count == 5, bytes[2] == UInt8(ascii: ":") else { return nil }
        var digits: [Int64] = []
        for index in [0, 1, 3, 4] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) else { return nil }
            digits.append(Int64(bytes[index] - UInt8(ascii: "0")))
        }
        let minute = (digits[0] * 10 + digits[1]) * 60 + digits[2] * 10 + digits[3]
        return digits[2] < 6 && minute <= day ? minute : nil
    }

    /// `HH:MM`.
    public static func text(ofMinute minute: Int64) -> String {
        func padded(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return padded(minute / 60) + ":" + padded(minute % 60)
    }

    private static func minute(_ fields: JSONFields, _ key: String) throws(JSONError) -> Int64 {
        guard let minute = minute(try fields.string(key, limit: 16)) else {
            throw fields.error(key, "is not an hour of the form HH:MM")
        }
        return minute
    }
}
