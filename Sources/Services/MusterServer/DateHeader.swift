import ByteCoding
import Synchronization

/// The `Date` of answers (RFC 9110 section 6.6.1), made once a second.
final class DateHeader: Sendable {
    /// The one for every answer.
    static let shared = DateHeader()

    private let latest = Mutex((second: Int64.min, text: ""))

    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    func text(_ time: UTCTime) -> String {
        let second = time.seconds
        return latest.withLock { latest in
            if latest.second != second { latest = (second, Self.format(time)) }
            return latest.text
        }
    }

    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Out of `YYYY-MM-DDTHH:MM:SSZ`; 1970 began on a Thursday.
    private static func format(_ time: UTCTime) -> String {
        let text = Array(time.description.utf8)
        func part(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }
        let day = days[Int(time.seconds / 86400 % 7)]
        let month = months[max(0, min(11, (Int(part(5..<7)) ?? 1) - 1))]
        return "\(day), \(part(8..<10)) \(month) \(part(0..<4)) \(part(11..<19)) GMT"
    }
}
