import ByteCoding
import CanonicalJSON

/// One thing that a message tells of.
public enum NoticeItem: Hashable, Sendable {
    /// Something that expires.
    case expiry(ExpiryNotice)
    /// A login by a certificate that was never issued.
    case rogueLogin(RogueLoginNotice)
    /// A rollout that people should hear of.
    case rollout(RolloutNotice)

    /// How loud it is said.
    public var level: NoticeLevel {
        switch self {
        case .expiry(let notice): notice.level
        case .rogueLogin: .urgent
        case .rollout(let notice): notice.level
        }
    }

    /// It in one line.
    public var text: String {
        switch self {
        case .expiry(let notice): notice.text
        case .rogueLogin(let notice): notice.text
        case .rollout(let notice): notice.text
        }
    }

    /// What whoever reads it can do.
    public var advice: String {
        switch self {
        case .expiry(let notice): notice.advice
        case .rogueLogin(let notice): notice.advice
        case .rollout(let notice): notice.advice
        }
    }

    /// The moment that it is about.
    public var moment: UTCTime {
        switch self {
        case .expiry(let notice): notice.subject.expires
        case .rogueLogin(let notice): notice.login
        case .rollout(let notice): notice.time
        }
    }

    /// It as webhooks get it.
    public var json: JSONValue {
        switch self {
        case .expiry(let notice): notice.json
        case .rogueLogin(let notice): notice.json
        case .rollout(let notice): notice.json
        }
    }
}
