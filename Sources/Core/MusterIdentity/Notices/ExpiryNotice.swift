import ByteCoding
import CanonicalJSON

/// One expiry as people are told of it.
public struct ExpiryNotice: Hashable, Comparable, Sendable {
    /// What expires.
    public let subject: ExpirySubject
    /// The threshold it has come to.
    public let threshold: ExpiryThreshold
    /// When this was said.
    public let time: UTCTime

    /// A notice.
    public init(subject: ExpirySubject, threshold: ExpiryThreshold, time: UTCTime) {
        self.subject = subject
        self.threshold = threshold
        self.time = time
    }

    /// How loud it is said.
    public var level: NoticeLevel { threshold.level }

    /// `the key of node web1 expires in 7 days`, `… expired 3 hours ago`.
    public var text: String { "\(thing) \(when)" }

    /// What whoever reads it can do.
    public var advice: String {
        switch subject.kind {
        case .nodeKey:
            threshold == .expired
                ? "let it in for 30 minutes to rotate its key: muster node extend \(name) --reason TEXT"
                : "its agent should have rotated the key by itself; see why it has not: muster node show \(name)"
        case .tailnetKey:
            "log in to the tailnet again on the node (tailscale up --force-reauth), or switch off key expiry for it"
        case .operatorKey:
            "give the key a later date in the policy, or replace it, then: muster policy publish FILE"
        case .sshAuthority: "muster ssh rotate \(name)"
        case .metadata:
            switch subject.id {
            case "root", "targets": "muster fleet renew"
            case "releases": "muster release renew"
            default: "muster policy publish FILE"
            }
        }
    }

    /// The notice as it stands in events and in what webhooks get.
    public var json: JSONValue {
        [
            "subject": .string(subject.kind.rawValue), "id": .string(subject.id), "name": .string(subject.name),
            "expires": .string(subject.expires.description), "days": .integer(Int64(threshold.days)),
            "level": .string(level.rawValue), "text": .string(text), "advice": .string(advice),
        ]
    }

    /// What expires first comes first.
    public static func < (left: ExpiryNotice, right: ExpiryNotice) -> Bool {
        (left.subject.expires, left.subject.key) < (right.subject.expires, right.subject.key)
    }

    private var name: String { OneLine.text(subject.name) }

    private var thing: String {
        switch subject.kind {
        case .nodeKey: "the key of node \(name)"
        case .tailnetKey: "the tailnet key of node \(name)"
        case .sshAuthority: "the SSH \(name) CA \(OneLine.text(subject.id))"
        case .operatorKey: "the key \(OneLine.text(subject.id)) of operator \(name)"
        case .metadata: subject.id == "policy" ? "the policy" : "the \(name) metadata"
        }
    }

    private var when: String {
        let rest = subject.expires - time
        return rest > 0 ? "expires in \(Self.span(rest))" : "expired \(Self.span(0 - max(rest, -Int64.max))) ago"
    }

    /// `7 days`, `23 hours`, `1 minute`.
    static func span(_ milliseconds: Int64) -> String {
        let minutes = milliseconds / 60_000
        func count(_ number: Int64, _ unit: String) -> String { "\(number) \(unit)\(number == 1 ? "" : "s")" }
        return switch minutes {
        case ..<120: count(minutes, "minute")
        case ..<2880: count(minutes / 60, "hour")
        default: count(minutes / 1440, "day")
        }
    }
}

/// Text from outside on one line of its own: names of nodes and tailnet names are what others say they are.
enum OneLine {
    /// At most so many characters of a name are shown.
    private static let limit = 253

    /// The text with every control character, and everything that breaks or turns a line, shown as `?`.
    static func text(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(limit).map { scalar -> Unicode.Scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: "?"
            default: scalar
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }
}
