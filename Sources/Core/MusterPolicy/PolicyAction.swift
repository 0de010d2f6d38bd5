import MusterModel

/// What a rule allows, by the name of the statement type that asks for it.
///
/// A string and not an enumeration: a policy may already speak of actions that this program does not
/// know; it simply never asks for them.
public struct PolicyAction: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The name.
    public let rawValue: String

    /// The action of this name.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// The action that a statement of this type asks for.
    public init(_ type: StatementType) {
        self.init(rawValue: type.rawValue)
    }

    /// Letting nodes join.
    public static let enroll = PolicyAction(.enroll)
    /// Giving a node its tags.
    public static let tagNode = PolicyAction(.tagNode)
    /// Installing a newer version.
    public static let upgrade = PolicyAction(.upgrade)
    /// Going back to an older version.
    public static let rollBack = PolicyAction(.rollBack)
    /// Letting a node whose key has expired act for half an hour.
    public static let extendNode = PolicyAction(.extendNode)
    /// Exempting a node's key from expiry.
    public static let exemptNode = PolicyAction(.exemptNode)
    /// Taking a node out of the fleet.
    public static let removeNode = PolicyAction(.removeNode)
    /// Logging in with a certificate.
    public static let sshCertificate = PolicyAction(.sshCertificate)
    /// Revoking certificates and keys.
    public static let revoke = PolicyAction(.revoke)
    /// Running an approved command.
    public static let run = PolicyAction(.run)

    /// The name.
    public var description: String { rawValue }
}
