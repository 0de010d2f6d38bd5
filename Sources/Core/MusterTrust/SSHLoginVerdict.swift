import MusterModel
import MusterPolicy
import OpenSSHFormats

/// What a node says to a login with a certificate, and why.
public struct SSHLoginVerdict: Hashable, Sendable, CustomStringConvertible {
    /// The conclusion.
    public enum Outcome: Hashable, Sendable {
        /// The login may go on as this principal, which is the account.
        case allowed(principal: AccountName, grant: LoginGrant)
        /// It may not.
        case refused(TrustRefusal)
    }

    /// The conclusion.
    public let outcome: Outcome
    /// What the certificate says; nil where it cannot be read.
    public let certificate: SSHCertificateContent?
    /// The operator's statement in it, verified only where the login is allowed; nil where there is none.
    public let statement: Statement?
    /// Operators whose signatures on it count.
    public let signers: [StatementSigner]

    /// What the principals command prints; nil where it prints nothing, so that sshd denies the login.
    public var principal: AccountName? {
        if case .allowed(let principal, _) = outcome { return principal }
        return nil
    }

    /// Whether the login may go on.
    public var isAllowed: Bool { principal != nil }

    /// Why it may not; nil where it may.
    public var refusal: TrustRefusal? {
        if case .refused(let refusal) = outcome { return refusal }
        return nil
    }

    /// The conclusion in one line, with what identifies the certificate.
    public var description: String {
        let which = certificate.map { "certificate \($0.serial) '\($0.keyID)'" } ?? "certificate"
        switch outcome {
        case .allowed(let principal, let grant):
            let decision = PolicyDecision.allowed(rule: grant.rule, approvers: grant.approvers)
            return "\(which): login as \(principal) \(decision)"
        case .refused(let refusal): return "\(which): login refused (\(refusal.code.rawValue)): \(refusal.message)"
        }
    }
}
