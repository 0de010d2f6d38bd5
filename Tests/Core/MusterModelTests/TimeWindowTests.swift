import ByteCoding
import CanonicalJSON
import MusterModel
import MusterTestSupport
import Testing

/// Hours of the week by the clock on the wall, across midnight and across the days on which clocks jump.
@Suite("TimeWindow")
struct TimeWindowTests {
    /// Berlin in 2026: an hour ahead, two from 29 March 01:00Z to 25 October 01:00Z.
    private static let berlin = [
        ("2026-01-01T00:00:00Z", 60), ("2026-03-29T01:00:00Z", 120), ("2026-10-25T01:00:00Z", 60),
    ]

    private func time(_ text: String) throws -> UTCTime { try #require(UTCTime(text)) }

    private func window(
        _ from: String,
        _ to: String,
        _ days: [TimeWindow.Weekday]? = nil,
        offsets: [(String, Int)] = berlin
    ) throws -> TimeWindow {
        try TimeWindow(
            days: days,
            from: try #require(TimeWindow.minute(from)),
            to: try #require(TimeWindow.minute(to)),
            zone: "Europe/Berlin",
            offsets: offsets.map { TimeWindow.Offset(from: try time($0.0), minutes: Int64($0.1)) }
        )
    }

    @Test("opens and closes by the minute, in winter and in summer")
    func hours() throws {
        let window = try window("08:00", "18:00", [.monday, .tuesday, .wednesday, .thursday, .friday])
        // 2026-01-12 and 2026-07-13 are Mondays.
        for (text, isOpen) in [
            ("2026-01-12T06:59:59Z", false), ("2026-01-12T07:00:00Z", true), ("2026-01-12T16:59:59Z", true),
            ("2026-01-12T17:00:00Z", false), ("2026-07-13T05:59:59Z", false), ("2026-07-13T06:00:00Z", true),
            ("2026-07-13T16:00:00Z", false), ("2026-01-11T10:00:00Z", false), ("2026-01-16T10:00:00Z", true),
            ("2026-01-17T10:00:00Z", false),
        ] {
            #expect(window.isOpen(at: try time(text)) == isOpen, "\(text)")
        }
        #expect(window.text == "mon-fri 08:00-18:00 Europe/Berlin")
    }

    @Test("goes on past midnight into a day that it does not name")
    func midnight() throws {
        let window = try window("22:00", "06:00", [.friday])
        // 2026-01-16 is a Friday.
        for (text, isOpen) in [
            ("2026-01-16T20:59:59Z", false), ("2026-01-16T21:00:00Z", true), ("2026-01-17T04:59:59Z", true),
            ("2026-01-17T05:00:00Z", false), ("2026-01-16T03:00:00Z", false), ("2026-01-17T21:30:00Z", false),
        ] {
            #expect(window.isOpen(at: try time(text)) == isOpen, "\(text)")
        }
        let end = try self.window("18:00", "00:00", [.friday])
        #expect(end.isOpen(at: try time("2026-01-16T22:59:59Z")))
        #expect(!end.isOpen(at: try time("2026-01-16T23:00:00Z")))
        let whole = try self.window("00:00", "24:00", [.saturday, .sunday])
        #expect(whole.isOpen(at: try time("2026-01-18T22:59:59Z")))
        #expect(!whole.isOpen(at: try time("2026-01-18T23:00:00Z")))
    }

    @Test("an hour that the clock leaves out never comes; one that comes twice is open twice")
    func jumps() throws {
        let window = try window("02:00", "03:00")
        // 29 March: 01:59:59 is followed by 03:00:00.
        for minute in stride(from: 0, to: 180, by: 1) {
            let moment = try time("2026-03-29T00:00:00Z").adding(seconds: Int64(minute * 60))
            #expect(!window.isOpen(at: moment), "\(moment)")
        }
        // 25 October: 02:59:59 is followed by 02:00:00.
        let open = try (0..<240).filter { minute in
            window.isOpen(at: try time("2026-10-24T23:00:00Z").adding(seconds: Int64(minute * 60)))
        }
        #expect(open == Array(60..<180))
        // A window that begins in the hour left out opens as soon as the clock has jumped.
        let later = try self.window("02:30", "04:00")
        #expect(try later.opens(from: time("2026-03-29T00:00:00Z")) == time("2026-03-29T01:00:00Z"))
        #expect(try window.opens(from: time("2026-03-29T00:30:00Z")) == time("2026-03-30T00:00:00Z"))
    }

    @Test("is closed while nobody knows the hour")
    func beforeTheFirstOffset() throws {
        let window = try window("00:00", "24:00")
        #expect(!window.isOpen(at: try time("2025-12-31T23:59:59Z")))
        #expect(!window.isOpen(at: UTCTime(milliseconds: .min)))
        #expect(try window.opens(from: time("2025-06-01T00:00:00Z")) == time("2026-01-01T00:00:00Z"))
        #expect(window.isOpen(at: try time("2099-01-01T00:00:00Z")))
        #expect(window.isOpen(at: UTCTime(milliseconds: .max)))
    }

    @Test("the next opening is the first open moment, and no minute before it is", arguments: 0..<UInt64(60))
    func opensFirst(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let days = TimeWindow.Weekday.allCases.filter { _ in Int.random(in: 0..<4, using: &generator) == 0 }
        let from = Int64.random(in: 0..<96, using: &generator) * 15
        let to = (from + Int64.random(in: 1..<96, using: &generator) * 15) % 1440
        let window = try TimeWindow(
            days: days.isEmpty ? nil : days,
            from: from,
            to: to == 0 ? 1440 : to,
            zone: "Europe/Berlin",
            offsets: try Self.berlin.map { TimeWindow.Offset(from: try time($0.0), minutes: Int64($0.1)) }
        )
        let start = try time("2026-01-01T00:00:00Z").adding(
            seconds: Int64.random(in: 0..<(300 * 1440), using: &generator) * 60
        )
        let opens = try #require(window.opens(from: start))
        #expect(window.isOpen(at: opens))
        var moment = start
        while moment < opens {
            #expect(!window.isOpen(at: moment), "seed \(seed): open at \(moment), before \(opens)")
            moment = moment.adding(seconds: 900)
        }
        #expect([window].opens(from: start) == opens)
    }

    @Test("several windows are open where one is; none never is")
    func several() throws {
        let windows = [try window("08:00", "09:00"), try window("20:00", "21:00")]
        #expect(windows.isOpen(at: try time("2026-01-12T19:30:00Z")))
        #expect(try windows.opens(from: time("2026-01-12T10:00:00Z")) == time("2026-01-12T19:00:00Z"))
        #expect(![TimeWindow]().isOpen(at: try time("2026-01-12T19:30:00Z")))
        #expect(try [TimeWindow]().opens(from: time("2026-01-12T19:30:00Z")) == nil)
    }

    @Test("is written as it was read; an unknown member closes it and is kept")
    func roundTrips() throws {
        let window = try window("22:00", "24:00", [.sunday, .monday])
        let again = try TimeWindow(JSONFields(window.json))
        #expect(again == window)
        #expect(again.json.canonicalBytes == window.json.canonicalBytes)
        guard case .object(var object) = window.json else { return }
        object["except"] = ["2026-12-25"]
        let later = try TimeWindow(JSONFields(.object(object)))
        #expect(later.json.canonicalBytes == JSONValue.object(object).canonicalBytes)
        let sunday = try time("2026-01-11T21:30:00Z")
        #expect(window.isOpen(at: sunday))
        #expect(!later.isOpen(at: sunday))
        #expect(later.opens(from: sunday) == nil)
    }

    @Test(
        "what makes no sense is refused",
        arguments: [
            ["from": "8:00"], ["from": "25:00"], ["from": "24:01"], ["to": "08:60"], ["to": "08:00"], ["from": "24:00"],
            ["days": []], ["days": ["mon", "mon"]], ["days": ["monday"]], ["offsets": []], ["zone": 3],
            ["offsets": [["from": "2026-01-01T00:00:00Z", "minutes": 1081]]],
            ["offsets": [["from": "2026-01-01T00:00:00Z", "minutes": 60, "name": "CET"]]],
            [
                "offsets": [
                    ["from": "2026-01-02T00:00:00Z", "minutes": 60], ["from": "2026-01-01T00:00:00Z", "minutes": 60],
                ]
            ],
        ] as [JSONObject]
    )
    func refused(_ change: JSONObject) throws {
        var object: JSONObject = [
            "from": "08:00", "to": "18:00", "zone": "UTC",
            "offsets": [["from": "2026-01-01T00:00:00Z", "minutes": 0]],
        ]
        _ = try TimeWindow(JSONFields(.object(object)))
        for member in change.members { object[member.key] = member.value }
        #expect(throws: JSONError.self) { try TimeWindow(JSONFields(.object(object))) }
    }
}
