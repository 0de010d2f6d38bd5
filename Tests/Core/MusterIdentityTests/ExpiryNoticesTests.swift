import ByteCoding
import MusterIdentity
import Testing

@Suite struct ExpiryNoticesTests {
    private static let start = UTCTime(seconds: 1_900_000_000)

    private static func days(_ days: Double) -> UTCTime { start.adding(milliseconds: Int64(days * 86_400_000)) }

    private static func key(
        _ name: String,
        expires days: Double,
        kind: ExpirySubject.Kind = .operatorKey
    ) -> ExpirySubject {
        ExpirySubject(kind: kind, id: name, name: name, expires: self.days(days))
    }

    @Test("a key is announced once each at 30, 7 and 1 days and at its expiry, ever louder")
    func onceAtEachThreshold() {
        var notices = ExpiryNotices()
        var said: [(ExpiryThreshold, NoticeLevel)] = []
        for hour in 0...(50 * 24) {
            let time = Self.days(Double(hour) / 24)
            for notice in notices.look(at: [Self.key("ada", expires: 40)], time: time).notices {
                said.append((notice.threshold, notice.level))
                #expect(time == Self.days(40 - Double(notice.threshold.days)))
            }
        }
        #expect(said.map(\.0) == [.month, .week, .day, .expired])
        #expect(said.map(\.1) == [.notice, .warning, .urgent, .urgent])
    }

    @Test("a threshold is reached at its very millisecond and not before")
    func exactMoment() {
        for threshold in ExpiryThreshold.allCases {
            let moment = Self.days(40 - Double(threshold.days))
            #expect(ExpiryThreshold.reached(by: Self.days(40), at: moment) == threshold)
            let before = ExpiryThreshold.reached(by: Self.days(40), at: moment.adding(milliseconds: -1))
            #expect(before.map { $0 < threshold } ?? true)
        }
    }

    @Test("a service that slept through every threshold says only the last one, for each key")
    func noFloodAfterDowntime() {
        var notices = ExpiryNotices()
        let keys = (0..<50).map { Self.key("key\($0)", expires: 31 + Double($0) / 100) }
        #expect(notices.look(at: keys, time: Self.start).notices.isEmpty)
        let round = notices.look(at: keys, time: Self.days(90))
        #expect(round.notices.count == 50)
        #expect(round.notices.allSatisfy { $0.threshold == .expired })
        #expect(notices.look(at: keys, time: Self.days(91)).isEmpty)
    }

    @Test("a clock that steps back repeats nothing")
    func clockStepsBack() {
        var notices = ExpiryNotices()
        let key = Self.key("ada", expires: 40)
        #expect(notices.look(at: [key], time: Self.days(33)).notices.map(\.threshold) == [.week])
        #expect(notices.look(at: [key], time: Self.days(5)).isEmpty)
        #expect(notices.look(at: [key], time: Self.days(33)).isEmpty)
        #expect(notices.look(at: [key], time: Self.days(39)).notices.map(\.threshold) == [.day])
    }

    @Test("an expiry that trembles by seconds at a threshold is announced once")
    func tremblingExpiry() {
        var notices = ExpiryNotices()
        var said = 0
        for second in 0..<200 {
            let expires = Self.days(40).adding(seconds: second % 2 == 0 ? 0 : 3)
            let key = ExpirySubject(kind: .tailnetKey, id: "n", name: "n", expires: expires)
            said += notices.look(at: [key], time: Self.days(33).adding(seconds: Int64(second) / 50)).notices.count
        }
        #expect(said == 1)
    }

    @Test("an expiry that creeps on by minutes counts as renewed once it has moved far enough")
    func creepingExpiry() {
        var notices = ExpiryNotices()
        let time = Self.days(33)
        #expect(notices.look(at: [Self.key("n", expires: 40)], time: time).notices.count == 1)
        for minute in 1...60 {
            #expect(notices.look(at: [Self.key("n", expires: 40 + Double(minute) / 1440)], time: time).isEmpty)
        }
        #expect(notices.look(at: [Self.key("n", expires: 80)], time: time).forgotten == ["operator-key n"])
    }

    @Test("what was renewed is announced anew when its time comes")
    func renewed() {
        var notices = ExpiryNotices()
        #expect(notices.look(at: [Self.key("root", expires: 5)], time: Self.start).notices.count == 1)
        #expect(notices.look(at: [Self.key("root", expires: 400)], time: Self.start).notices.isEmpty)
        #expect(
            notices.look(at: [Self.key("root", expires: 400)], time: Self.days(371)).notices.map(\.threshold) == [
                .month
            ]
        )
    }

    @Test("what was renewed for only a few days is not announced at once, but when less is left")
    func renewedForShort() {
        var notices = ExpiryNotices()
        #expect(notices.look(at: [Self.key("root", expires: 0.5)], time: Self.start).notices.map(\.threshold) == [.day])
        #expect(notices.look(at: [Self.key("root", expires: 5)], time: Self.start).notices.isEmpty)
        #expect(
            notices.look(at: [Self.key("root", expires: 5)], time: Self.days(4.5)).notices.map(\.threshold) == [.day]
        )
    }

    @Test("an expiry that comes nearer is announced at its new threshold")
    func nearer() {
        var notices = ExpiryNotices()
        #expect(notices.look(at: [Self.key("ada", expires: 25)], time: Self.start).notices.count == 1)
        let round = notices.look(at: [Self.key("ada", expires: 3)], time: Self.start)
        #expect(round.notices.map(\.threshold) == [.week])
    }

    @Test("keys that cannot be looked at for a while are not announced again when they are back")
    func unknownForAWhile() {
        var notices = ExpiryNotices()
        let key = Self.key("n", expires: 5, kind: .tailnetKey)
        #expect(notices.look(at: [key], time: Self.start).notices.count == 1)
        #expect(notices.look(at: [], time: Self.days(1)).isEmpty)
        #expect(notices.look(at: [key], time: Self.days(2)).isEmpty)
        #expect(notices.look(at: [], time: Self.days(100)).forgotten == ["tailnet-key n"])
        #expect(notices.announced.isEmpty)
    }

    @Test("what renews itself is announced only when that is overdue")
    func selfRenewing() {
        func key(life: Double) -> ExpirySubject {
            ExpirySubject(
                kind: .nodeKey,
                id: "n",
                name: "n",
                expires: Self.days(life),
                renewedSince: Self.start
            )
        }
        #expect(key(life: 180).threshold(at: Self.days(149)) == nil)
        #expect(key(life: 180).threshold(at: Self.days(151)) == .month)
        #expect(key(life: 100).threshold(at: Self.days(80)) == nil)
        #expect(key(life: 35).threshold(at: Self.days(28)) == .week)
        #expect(key(life: 30).threshold(at: Self.days(28)) == nil)
        #expect(key(life: 10).threshold(at: Self.days(9)) == .day)
        #expect(key(life: 1).threshold(at: Self.days(0.9)) == nil)
        #expect(key(life: 1).threshold(at: Self.days(1)) == .expired)
    }

    @Test("a node whose key is replaced when it is due is never announced, however long its keys live")
    func replacedInTime() {
        for days in NodeKeyLife.days {
            for spread in [[0, 0], [255, 255]] as [[UInt8]] {
                let life = NodeKeyLife(key: spread, since: Self.start, lifetime: Int64(days) * 86400)
                let subject = ExpirySubject(
                    kind: .nodeKey,
                    id: "n",
                    name: "n",
                    expires: life.expires,
                    renewedSince: life.since
                )
                #expect(subject.threshold(at: life.rotateAfter) == nil, "\(days)")
            }
        }
    }

    @Test("the last and the first moment of all time are no trouble")
    func extremes() {
        let last = UTCTime(milliseconds: .max)
        let first = UTCTime(milliseconds: .min)
        #expect(ExpiryThreshold.reached(by: last, at: first) == nil)
        #expect(ExpiryThreshold.reached(by: first, at: last) == .expired)
        let notice = ExpiryNotice(
            subject: ExpirySubject(kind: .metadata, id: "root", name: "root", expires: first),
            threshold: .expired,
            time: last
        )
        #expect(notice.text.hasPrefix("the root metadata expired "))
    }
}
