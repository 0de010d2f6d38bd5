import ByteCoding
import MusterIdentity
import MusterTestSupport
import Testing

/// Years of a fleet with restarts, lost looks, renewals and clocks that jump.
@Suite struct ExpiryPropertyTests {
    private struct World {
        var generator: SeededGenerator
        var time = UTCTime(seconds: 1_900_000_000)
        var expiries: [String: UTCTime] = [:]
        var notices = ExpiryNotices()
        /// What was said of each expiry of each subject.
        var said: [String: [ExpiryThreshold]] = [:]

        init(seed: UInt64) {
            generator = SeededGenerator(seed: seed)
            for index in 0..<8 {
                expiries["k\(index)"] = time.adding(seconds: Int64.random(in: 0..<(120 * 86400), using: &generator))
            }
        }

        mutating func step() throws {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: time = time.adding(seconds: Int64.random(in: 0..<(40 * 86400), using: &generator))
            case 1: time = time.adding(seconds: -Int64.random(in: 0..<(2 * 86400), using: &generator))
            case 2:
                let key = "k\(Int.random(in: 0..<8, using: &generator))"
                expiries[key] = time.adding(seconds: Int64.random(in: 0..<(200 * 86400), using: &generator))
                said[key] = []
            case 3: notices = ExpiryNotices(announced: notices.announced)
            default: time = time.adding(seconds: Int64.random(in: 0..<86400, using: &generator))
            }
            try look()
        }

        private mutating func look() throws {
            let visible = expiries.filter { _ in Int.random(in: 0..<4, using: &generator) > 0 }
            let subjects = visible.map {
                ExpirySubject(kind: .operatorKey, id: $0.key, name: $0.key, expires: $0.value)
            }
            let round = notices.look(at: subjects, time: time)
            #expect(Set(round.notices.map(\.subject.key)).count == round.notices.count, "one notice for each subject")
            for notice in round.notices {
                let before = said[notice.subject.id] ?? []
                #expect(before.allSatisfy { $0 < notice.threshold }, "never twice, never quieter: \(before) \(notice)")
                #expect(notice.threshold == ExpiryThreshold.reached(by: notice.subject.expires, at: time))
                said[notice.subject.id, default: []].append(notice.threshold)
            }
            for subject in subjects {
                guard let reached = subject.threshold(at: time) else { continue }
                let remembered = try #require(notices.announced[subject.key], "\(subject) was passed over")
                #expect(remembered.threshold >= reached)
            }
            let again = notices.look(at: subjects, time: time)
            #expect(again.notices.isEmpty, "a second look says nothing")
        }
    }

    @Test("nothing is passed over, nothing is said twice, whatever happens", arguments: 0..<40)
    func years(seed: Int) throws {
        var world = World(seed: UInt64(seed))
        for _ in 0..<400 { try world.step() }
    }

    @Test(
        "one digest a day at its hour, one after any time without a service, none when nothing is due",
        arguments: 0..<24
    )
    func digests(hour: Int) throws {
        let digest = try #require(ExpiryDigest(hour: hour))
        var generator = SeededGenerator(seed: UInt64(hour))
        var time = UTCTime(seconds: 1_900_000_000)
        let due = ExpirySubject(kind: .metadata, id: "root", name: "root", expires: time.adding(seconds: 100 * 86400))
        var last: UTCTime?
        var sent: [UTCTime] = []
        for _ in 0..<4000 {
            time = time.adding(seconds: Int64.random(in: 1..<7200, using: &generator))
            if Int.random(in: 0..<200, using: &generator) == 0 { time = time.adding(seconds: 5 * 86400) }
            let round = digest.look(at: [due], last: last, time: time)
            if let done = round.done {
                #expect((done.seconds / 3600) % 24 == Int64(hour))
                #expect(done <= time && time < done.adding(seconds: 86400))
                last = done
            }
            if !round.notices.isEmpty {
                if let before = sent.last { #expect(digest.lastDue(at: before) < digest.lastDue(at: time)) }
                #expect(due.threshold(at: time) != nil)
                sent.append(time)
            }
        }
        #expect(!sent.isEmpty)
        #expect(try #require(sent.last) < due.expires.adding(seconds: 31 * 86400), "what expired long ago is left out")
    }

    @Test("a new service does not begin with a digest of the hour that has passed")
    func newService() throws {
        let digest = try #require(ExpiryDigest(hour: 8))
        let time = try #require(UTCTime("2026-11-23T10:00:00Z"))
        let key = ExpirySubject(kind: .metadata, id: "root", name: "root", expires: time.adding(seconds: 86400))
        let first = digest.look(at: [key], last: nil, time: time)
        #expect(first.notices.isEmpty)
        #expect(first.done == UTCTime("2026-11-23T08:00:00Z"))
        #expect(digest.look(at: [key], last: first.done, time: time.adding(seconds: 21 * 3600)).notices.isEmpty)
        #expect(digest.look(at: [key], last: first.done, time: time.adding(seconds: 22 * 3600)).notices.count == 1)
        #expect(ExpiryDigest(hour: 24) == nil && ExpiryDigest(hour: -1) == nil)
    }
}
