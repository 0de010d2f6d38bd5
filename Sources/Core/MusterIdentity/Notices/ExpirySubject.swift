import ByteCoding

/// Something that stops working at a known moment unless somebody renews it.
public struct ExpirySubject: Hashable, Sendable {
    /// What it is; the text stands in the register, in events and in notices, and never changes its meaning.
    public enum Kind: String, CaseIterable, Sendable {
        /// A node's own Ed25519 key: the agent rotates it by itself.
        case nodeKey = "node-key"
        /// The key by which a node belongs to its tailnet.
        case tailnetKey = "tailnet-key"
        /// An SSH key of an operator in the policy.
        case operatorKey = "operator-key"
        /// The key of an SSH certificate authority; its name is `user` or `host`.
        case sshAuthority = "ssh-authority"
        /// Metadata that owners sign offline: root, targets, releases, policy.
        case metadata
    }

    /// What it is.
    public let kind: Kind
    /// Which one of its kind: a node's id, a key's fingerprint, a role.
    public let id: String
    /// What people call it: a node's or an operator's name, a role.
    public let name: String
    /// From this moment on it does not work.
    public let expires: UTCTime
    /// When its present life began, where it is renewed without anybody's help.
    ///
    /// Such a subject is announced only when its renewal is overdue: not before the last fifth of its life,
    /// when a node's key has long been replaced (`NodeKeyLife.rotateAfter`).
    public let renewedSince: UTCTime?

    /// A subject of these parts.
    public init(kind: Kind, id: String, name: String, expires: UTCTime, renewedSince: UTCTime? = nil) {
        self.kind = kind
        self.id = id
        self.name = name
        self.expires = expires
        self.renewedSince = renewedSince
    }

    /// What the register remembers it by.
    public var key: String { "\(kind.rawValue) \(id)" }

    /// The most urgent threshold that is reached at `time` and counts for this subject; nil before the first.
    public func threshold(at time: UTCTime) -> ExpiryThreshold? {
        guard let renewedSince else { return ExpiryThreshold.reached(by: expires, at: time) }
        let fifth = (expires - renewedSince) / 5
        return ExpiryThreshold.reached(by: expires, at: time) { $0 == .expired || $0.milliseconds <= fifth }
    }
}

extension UTCTime {
    /// Milliseconds from `right` to `left`, never beyond what a number holds.
    static func - (left: UTCTime, right: UTCTime) -> Int64 {
        let (difference, overflow) = left.milliseconds.subtractingReportingOverflow(right.milliseconds)
        guard overflow else { return difference }
        return left < right ? .min : .max
    }
}
