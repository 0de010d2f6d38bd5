import ByteCoding
import MusterIdentity
import Testing

@Suite struct DeliveryScheduleTests {
    @Test("pauses double from half a minute to an hour, and a week later a message is given up")
    func pauses() {
        let made = UTCTime(seconds: 1_900_000_000)
        var time = made
        var pauses: [Int64] = []
        var failures = 0
        while true {
            failures += 1
            guard let next = DeliverySchedule.next(after: failures, made: made, time: time) else { break }
            pauses.append(next.seconds - time.seconds)
            time = next
        }
        #expect(Array(pauses.prefix(9)) == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600])
        #expect(pauses.max() == 3600)
        #expect((7 * 86400..<7 * 86400 + 3600).contains(time.seconds - made.seconds))
        #expect(DeliverySchedule.next(after: .max, made: made, time: made) == made.adding(seconds: 3600))
        #expect(DeliverySchedule.next(after: 0, made: made, time: made) == made.adding(seconds: 30))
    }
}
