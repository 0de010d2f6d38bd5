import ByteCoding
import MusterIdentity
import Testing

/// What a node's key may do, and when.
@Suite("The life of a node's key")
struct NodeKeyLifeTests {
    private let born = UTCTime(seconds: 1_800_000_000)
    private let day: Int64 = 86400
    private let old = [UInt8](repeating: 0, count: 32)
    private let new = [UInt8](repeating: 1, count: 32)

    private func life(days: Int64 = 180) -> NodeKeyLife { NodeKeyLife(key: old, since: born, lifetime: days * day) }

    private func after(_ days: Int64, _ seconds: Int64 = 0) -> UTCTime { born.adding(seconds: days * day + seconds) }

    @Test("it is current for two thirds, due in the last third, then expired")
    func states() {
        let life = life()
        #expect(life.state(at: born) == .current)
        #expect(life.state(at: after(120, -1)) == .current)
        #expect(life.state(at: after(120)) == .due)
        #expect(life.state(at: after(180, -1)) == .due)
        #expect(life.state(at: after(180)) == .expired)
        #expect(life.isLimited(at: after(180)) && !life.isLimited(at: after(180, -1)))
    }

    @Test("replacements are spread over a twelfth of the life, so that nodes that joined at once do not come at once")
    func spread() {
        let latest = NodeKeyLife(key: [UInt8](repeating: 255, count: 32), since: born, lifetime: 180 * day)
        #expect(life().rotateAfter == after(120))
        #expect(latest.rotateAfter > after(134) && latest.rotateAfter < after(135))
    }

    @Test("an extension lasts half an hour, is for expired keys only, and ends with the replacement")
    func extension_() {
        var life = life()
        let isEarly = life.extend(at: after(179))
        let isExtended = life.extend(at: after(200))
        #expect(!isEarly && isExtended)
        #expect(life.state(at: after(200, 1799)) == .extended)
        #expect(life.state(at: after(200, 1800)) == .expired)
        #expect(life.offer(new, at: after(200, 5)) == .accepted)
        #expect(life.use(new, lifetime: 180 * day) == .replaced(retired: old))
        #expect(life.state(at: after(200, 1800)) == .current)
        #expect(life.extendedUntil == nil)
        #expect(life.expires == after(380, 5))
    }

    @Test(
        "an exempt key never expires, and is due for replacement all the same; the end of the exemption counts at once"
    )
    func exemption() {
        var life = life()
        let changes = [life.exempt(true), life.exempt(true)]
        #expect(changes == [true, false])
        #expect(life.state(at: after(3650)) == .exempt)
        #expect(life.nextChange(after: born) == nil)
        #expect(NodeKeyring.isDue(state: "exempt", rotateAfter: life.rotateAfter, serviceTime: after(140)))
        let isChanged = life.exempt(false)
        #expect(isChanged)
        #expect(life.state(at: after(3650)) == .expired)
    }

    @Test("an expired key replaces nothing: a key that is found years later is worth nothing")
    func expiredOffer() {
        var life = life()
        #expect(life.offer(new, at: after(180)) == .expired)
        #expect(life.next == nil)
        #expect(life.use(new, lifetime: day) == .unknown)
    }

    @Test("it is replaced at most once a day, and a key that lives one day every eight hours")
    func pause() {
        var life = life()
        #expect(life.offer(new, at: after(0, 10)) == .tooEarly(seconds: day - 10))
        #expect(life.offer(new, at: after(1)) == .accepted)
        var short = self.life(days: 1)
        #expect(short.offer(new, at: after(0, 8 * 3600 - 1)) == .tooEarly(seconds: 1))
        #expect(short.offer(new, at: short.rotateAfter) == .accepted)
    }

    @Test("offering it again changes nothing; another one takes its place, but not within a minute")
    func again() {
        var life = life()
        let third = [UInt8](repeating: 2, count: 32)
        #expect(life.offer(new, at: after(2)) == .accepted)
        let offered = life
        #expect(life.offer(new, at: after(3)) == .known)
        #expect(life.offer(old, at: after(3)) == .known)
        #expect(life == offered)
        #expect(life.offer(third, at: after(2, 30)) == .tooEarly(seconds: 30))
        #expect(life.offer(third, at: after(2, 60)) == .accepted)
        #expect(life.use(new, lifetime: day) == .unknown)
        #expect(life.use(old, lifetime: day) == .present)
        #expect(life.use(third, lifetime: day) == .replaced(retired: old))
        #expect(life.use(old, lifetime: day) == .unknown)
    }

    @Test("the life of a new key is counted from when it was offered: waiting does not make it younger")
    func offeredLongAgo() {
        var life = life()
        #expect(life.offer(new, at: after(121)) == .accepted)
        #expect(life.use(new, lifetime: 180 * day) == .replaced(retired: old))
        #expect(life.since == after(121) && life.expires == after(301))
    }

    @Test("the service asks for a new key by its own clock: an expired key is not replaced, an extended one at once")
    func due() {
        let time = after(5)
        #expect(NodeKeyring.isDue(state: "extended", rotateAfter: after(9), serviceTime: time))
        #expect(!NodeKeyring.isDue(state: "expired", rotateAfter: after(1), serviceTime: time))
        #expect(!NodeKeyring.isDue(state: "current", rotateAfter: after(6), serviceTime: time))
        #expect(NodeKeyring.isDue(state: "due", rotateAfter: time, serviceTime: time))
        #expect(NodeKeyring.isDue(state: "a later word", rotateAfter: time, serviceTime: time))
    }
}
