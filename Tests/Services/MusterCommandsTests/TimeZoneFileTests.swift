import ByteCoding
import MusterModel
import MusterSystem
import MusterTestSupport
import Testing

@testable import MusterCommands

/// Time zones as the system's database has them, and beyond its last change by their rule.
@Suite struct TimeZoneFileTests {
    private static let start = UTCTime(seconds: 1_735_689_600)
    private static let end = UTCTime(seconds: 3_786_912_000)

    @Test(
        "shows what the C library's clock shows, up to the year 2090",
        arguments: [
            "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata",
            "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Casablanca", "Asia/Tehran", "America/Nuuk", "UTC",
            "Etc/GMT+5", "Antarctica/Troll",
        ]
    )
    func agreesWithTheSystem(_ name: String) async throws {
        let offsets = try TimeZoneFile(name: name).offsets(from: Self.start, to: Self.end)
        #expect(offsets.first?.from == Self.start)
        var generator = SeededGenerator(seed: UInt64(name.utf8.count))
        var moments = (0..<300).map { _ in
            Int64.random(in: Self.start.seconds..<Self.end.seconds, using: &generator)
        }
        for offset in offsets where offset.from > Self.start {
            moments += [offset.from.seconds, offset.from.seconds - 1]
        }
        let result = try await Command(
            "/bin/date",
            ["-f", "-", "+%s %z"],
            environment: ["TZ": name, "LC_ALL": "C"],
            input: Array(moments.map { "@\($0)\n" }.joined().utf8)
        ).run(timeout: .seconds(60))
        let lines = result.outputText.split(separator: "\n")
        #expect(lines.count == moments.count)
        for line in lines {
            let words = line.split(separator: " ")
            let time = UTCTime(seconds: Int64(words.first ?? "") ?? 0)
            let minutes = offsets.last { $0.from <= time }?.minutes ?? 0
            let hours = "\(abs(minutes) / 60 < 10 ? "0" : "")\(abs(minutes) / 60)"
            let rest = "\(abs(minutes) % 60 < 10 ? "0" : "")\(abs(minutes) % 60)"
            #expect(words.last.map(String.init) == "\(minutes < 0 ? "-" : "+")\(hours)\(rest)", "\(name) at \(time)")
        }
    }

    @Test("no name leads out of the database", arguments: ["../../etc/passwd", "/etc/passwd", "", "a//b", "Europe/."])
    func names(_ name: String) {
        #expect(throws: TimeZoneFile.Fault.self) { try TimeZoneFile(name: name) }
    }

    @Test("a damaged file is refused or read, and never harms")
    func damaged() throws {
        let bytes = try BoundedFile.read("/usr/share/zoneinfo/Europe/Berlin", limit: 100_000)
        Mutations.of(bytes, limit: 300) { bytes in
            if let zone = try? TimeZoneFile(parsing: bytes) { _ = try? zone.offsets(from: Self.start, to: Self.end) }
        }
        for rule in ["", "CET", "CET-1CEST", "CET-1CEST,M13.1.0,M1.1.0", "C-1", "CET-1CEST,M3.5.0", "<+03-3"] {
            #expect(ClockRule(rule) == nil, "\(rule)")
        }
    }
}
