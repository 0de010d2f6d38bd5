import ByteCoding
import MusterModel

/// A notice as a mail message (RFC 5322) with line feeds, as a program such as `sendmail` reads it from standard input.
///
/// Recipients are the program's business: there is no `To:` unless one was given. Nothing that a node or a tailnet says of
/// itself can add a header or a line.
public struct NoticeMail: Hashable, Sendable {
    /// What it says.
    public let message: NoticeMessage
    /// Addresses for `To:`, as they stand there; empty for none.
    public let recipients: [String]

    /// A mail of a message.
    public init(_ message: NoticeMessage, recipients: [String] = []) {
        self.message = message
        self.recipients = recipients
    }

    /// The whole message.
    public var bytes: [UInt8] { Array((headers + [""] + body).joined(separator: "\n").utf8) + [0x0A] }

    private var headers: [String] {
        var lines = ["Subject: [muster] \(Self.header(message.title))"]
        if !recipients.isEmpty { lines.append("To: \(recipients.map(Self.header).joined(separator: ",\n "))") }
        lines.append("Date: \(Self.date(message.time))")
        lines.append("Message-ID: <\(message.id)@\(fleet).muster>")
        lines.append("Auto-Submitted: auto-generated")
        switch message.level {
        case .notice: break
        case .warning: lines.append("Importance: normal")
        case .urgent: lines.append("Importance: high")
        }
        return lines + [
            "X-Muster-Level: \(message.level.rawValue)", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: 8bit",
        ]
    }

    private var body: [String] {
        var lines: [String] = []
        for item in message.items { lines += ["* \(item.text) (\(item.moment))", "  \(item.advice)"] }
        if message.total > message.items.count {
            let place = message.kind == .rogueLogin ? "muster events" : "muster node list"
            lines.append("… and \(message.total - message.items.count) more: \(place)")
        }
        return lines + ["", "-- ", "musterd, fleet \(fleet)"]
    }

    private var fleet: String { message.fleet.map { String($0.text.prefix(16)) } ?? "none" }

    /// Text for a header: printable ASCII, the rest shown as `?`.
    private static func header(_ text: String) -> String {
        let bytes = text.unicodeScalars.map { (0x20...0x7E).contains($0.value) ? UInt8($0.value) : UInt8(ascii: "?") }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `Mon, 23 Nov 2026 04:34:11 +0000`.
    private static func date(_ time: UTCTime) -> String {
        let text = Array(time.description)
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let weekday = days[Int(((time.seconds / 86400) % 7 + 7) % 7)]
        let month = Int(String(text[5...6])).map { months[min(max($0, 1), 12) - 1] } ?? months[0]
        return "\(weekday), \(String(text[8...9])) \(month) \(String(text[0...3])) \(String(text[11...18])) +0000"
    }
}
