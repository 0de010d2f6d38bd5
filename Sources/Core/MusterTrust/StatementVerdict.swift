import MusterModel
import MusterPolicy
import OpenSSHFormats

/// A valid signature on a statement.
public struct StatementSigner: Hashable, Sendable {
    /// Whose key made it, by the current policy.
    public let name: OperatorName
    /// The key.
    public let key: SSHPublicKey
}

/// A signature on a statement that counts for nothing.
public struct IgnoredSignature: Hashable, Sendable {
    /// Why it counts for nothing.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        /// Not an SSHSIG signature by an accepted kind of key.
        case malformed
        /// By a key that the policy does not list.
        case unknownKey = "unknown-key"
        /// By a key whose time is over, or that the policy restricts in a way unknown here.
        case unusableKey = "unusable-key"
        /// Made for another type of statement.
        case otherNamespace = "other-namespace"
        /// Not over these bytes: the statement was altered, or the signature is of another.
        case invalid
        /// By a security key that nobody touched.
        case untouched
        /// By an operator who has signed already.
        case duplicate
    }

    /// Its place in the list.
    public let index: Int
    /// Why it counts for nothing.
    public let code: Code
    /// The same in words.
    public let text: String
}

/// What a statement is worth here and now: a value with its reasons.
public struct StatementVerdict: Hashable, Sendable, CustomStringConvertible {
    /// The conclusion.
    public enum Outcome: Hashable, Sendable {
        /// It may be done, by this rule of the policy.
        case allowed(rule: String, approvers: [OperatorName])
        /// Only approvals are missing.
        case needsApprovals(PolicyDecision.Shortage)
        /// It may not be done.
        case refused(TrustRefusal)
    }

    /// The conclusion.
    public let outcome: Outcome
    /// Operators whose signatures are valid today, each once, in the order of the signatures.
    public let signers: [StatementSigner]
    /// Signatures that count for nothing.
    public let ignored: [IgnoredSignature]

    /// Whether it may be done now.
    public var isAllowed: Bool {
        if case .allowed = outcome { return true }
        return false
    }

    /// The refusal, where it may not be done now; missing approvals are one.
    public var refusal: TrustRefusal? {
        switch outcome {
        case .allowed: nil
        case .needsApprovals(let shortage):
            TrustRefusal(.approvalsMissing, PolicyDecision.needsApprovals(shortage).description)
        case .refused(let refusal): refusal
        }
    }

    /// The conclusion in one line.
    public var description: String {
        switch outcome {
        case .allowed(let rule, let approvers):
            PolicyDecision.allowed(rule: rule, approvers: approvers).description
        case .needsApprovals, .refused: refusal?.message ?? ""
        }
    }
}
