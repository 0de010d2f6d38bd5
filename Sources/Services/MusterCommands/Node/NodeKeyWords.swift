import ByteCoding
import MusterAPI
import MusterIdentity
import MusterModel

/// How a node's keys, its own and the tailnet's, are put into words: quiet, and louder as time runs out.
struct NodeKeyWords: Sendable {
    let now: UTCTime

    /// What of a node expires: its own key, unless it is exempt, and its tailnet key.
    static func subjects(_ node: NodeRecord) -> [ExpirySubject] {
        var subjects: [ExpirySubject] = []
        if let key = node.key, let expires = key.expires {
            subjects.append(
                ExpirySubject(
                    kind: .nodeKey,
                    id: node.id.text,
                    name: node.name,
                    expires: expires,
                    renewedSince: key.since
                )
            )
        }
        if let expires = node.tailnet?.keyExpires {
            subjects.append(ExpirySubject(kind: .tailnetKey, id: node.id.text, name: node.name, expires: expires))
        }
        return subjects
    }

    /// When the first of its keys expires; nil where none does, or nobody knows.
    static func firstExpiry(_ node: NodeRecord) -> UTCTime? { subjects(node).map(\.expires).min() }

    /// How old its own key is, or that of the tailnet where the service does not tell.
    func age(_ node: NodeRecord) -> StyledText {
        guard let since = node.key?.since ?? node.tailnet?.keySince else { return "" }
        return StyledText(Moments.span(Int(clamping: now.seconds - since.seconds)), .faint)
    }

    /// `45 d`, `tailnet 6 d`, `expired 3 d ago`, `extended 20 min`, `exempt`: the most urgent of them.
    func expiry(_ node: NodeRecord) -> StyledText {
        if let key = node.key, let until = key.extendedUntil, until > now {
            return StyledText("extended \(span(until))", .loud)
        }
        let first = Self.subjects(node).min { left, right in
            let levels = (left.threshold(at: now), right.threshold(at: now))
            return levels.0 == levels.1 ? left.expires < right.expires : Self.isLouder(levels.0, levels.1)
        }
        guard let first else { return StyledText(node.key?.isExempt == true ? "exempt" : "", .faint) }
        let prefix = first.kind == .tailnetKey ? "tailnet " : ""
        return StyledText(prefix + rest(first.expires), Self.style(first.threshold(at: now)))
    }

    /// `45 d`, or `expired 3 d ago`.
    func rest(_ expires: UTCTime) -> String {
        expires > now ? span(expires) : "expired \(Moments.span(Int(clamping: now.seconds - expires.seconds))) ago"
    }

    /// How loud a threshold is.
    static func style(_ threshold: ExpiryThreshold?) -> StyledText.Style {
        switch threshold?.level {
        case .urgent: .loud
        case .warning: .warning
        case .notice: .plain
        case nil: .faint
        }
    }

    private static func isLouder(_ left: ExpiryThreshold?, _ right: ExpiryThreshold?) -> Bool {
        guard let left else { return false }
        return right.map { left > $0 } ?? true
    }

    private func span(_ until: UTCTime) -> String { Moments.span(Int(clamping: until.seconds - now.seconds)) }
}
