/// Whom a certificate authority certifies: one key never does both.
public enum SSHAuthorityKind: String, Hashable, Sendable, CaseIterable {
    /// People who log in.
    case user
    /// Hosts that they log in on.
    case host
}

extension SSHTrust {
    /// The authorities of one kind.
    public func authorities(_ kind: SSHAuthorityKind) -> [Authority] {
        switch kind {
        case .user: userAuthorities
        case .host: hostAuthorities
        }
    }

    /// The authority of that kind whose key signs.
    public func signing(_ kind: SSHAuthorityKind) -> Authority? { authorities(kind).first { $0.phase == .signing } }
}
