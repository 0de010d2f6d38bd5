import ByteCoding
import CanonicalJSON
import MusterModel

/// One message to people or their programs: what was announced at one moment, or the daily digest.
///
/// A webhook gets this, as `application/json`:
/// ```
/// {"_type": "muster-notice", "id": "32 hex digits", "fleet": "…", "kind": "expiry" | "digest" | "rogue-login" | "rollout",
///  "level": "notice" | "warning" | "urgent", "time": "…Z", "title": "…", "total": 3, "items": […]}
/// ```
/// Items of `expiry` and `digest`:
/// ```
/// {"subject": "node-key" | "tailnet-key" | "operator-key" | "ssh-authority" | "metadata", "id", "name",
///  "expires": "…Z", "days": 30 | 7 | 1 | 0, "level", "text", "advice"}
/// ```
/// Items of `rogue-login`:
/// ```
/// {"subject": "rogue-login", "id": "<node>", "name", "serial": 4711, "key_id", "user", "address", "login": "…Z", "why",
///  "level": "urgent", "text", "advice"}
/// ```
/// Items of `rollout`:
/// ```
/// {"subject": "rollout", "id": "<rollout>", "name": "<package>", "version", "event": "started" | "halted" | "expired",
///  "security": true, "why", "level", "text", "advice"}
/// ```
/// Compatibility: members, subjects and kinds may be added. The id is the same whenever the message is sent again.
public struct NoticeMessage: Hashable, Sendable {
    /// Why it is sent.
    public enum Kind: String, Sendable {
        /// Something came to a threshold.
        case expiry
        /// Once a day.
        case digest
        /// Somebody logged in by a certificate that was never issued.
        case rogueLogin = "rogue-login"
        /// A rollout stopped, was left unfinished, or brings a security release.
        case rollout
    }

    /// Most items that a message lists; `total` counts the others too.
    public static let itemLimit = 200

    /// Unique, and the same when the message is sent again.
    public let id: String
    /// Which fleet; nil before there is one.
    public let fleet: FleetID?
    /// Why it is sent.
    public let kind: Kind
    /// When it was made.
    public let time: UTCTime
    /// What it says, the most urgent first.
    public let items: [NoticeItem]
    /// How many items there are in all.
    public let total: Int

    /// A message of notices in their order; nil where there is none.
    public init?(id: String, fleet: FleetID?, kind: Kind, time: UTCTime, notices: [ExpiryNotice]) {
        self.init(id, fleet, kind, time, notices.sorted().map { .expiry($0) })
    }

    /// A message of rogue logins in their order; nil where there is none.
    public init?(id: String, fleet: FleetID?, time: UTCTime, rogueLogins: [RogueLoginNotice]) {
        self.init(id, fleet, .rogueLogin, time, rogueLogins.map { .rogueLogin($0) })
    }

    /// A message of what became of rollouts; nil where there is nothing.
    public init?(id: String, fleet: FleetID?, time: UTCTime, rollouts: [RolloutNotice]) {
        self.init(id, fleet, .rollout, time, rollouts.map { .rollout($0) })
    }

    private init?(_ id: String, _ fleet: FleetID?, _ kind: Kind, _ time: UTCTime, _ items: [NoticeItem]) {
        guard !items.isEmpty else { return nil }
        self.id = id
        self.fleet = fleet
        self.kind = kind
        self.time = time
        self.items = Array(items.prefix(Self.itemLimit))
        total = items.count
    }

    /// That of the loudest item.
    public var level: NoticeLevel { items.map(\.level).max() ?? .notice }

    /// One line: louder as time runs out.
    public var title: String {
        let loudness =
            switch level {
            case .notice: ""
            case .warning: "warning: "
            case .urgent: "URGENT: "
            }
        let first = items.first?.text ?? ""
        let digest = kind == .digest ? "daily digest: " : ""
        guard total > 1 else { return digest + loudness + first }
        return "\(digest)\(loudness)\(first), and \(total - 1) more"
    }

    /// What a webhook gets.
    public var json: JSONValue {
        [
            "_type": "muster-notice", "id": .string(id), "fleet": fleet.map { JSONValue($0) } ?? .null,
            "kind": .string(kind.rawValue), "level": .string(level.rawValue), "time": .string(time.description),
            "title": .string(title), "total": .integer(Int64(total)), "items": .array(items.map(\.json)),
        ]
    }
}
