/// What one rule says to a request: nothing against it, or what, and the approvals that it lacks.
public struct RuleVerdict: Hashable, Sendable {
    /// The rule.
    public let rule: String
    /// Everything that stands against the request, but approvals.
    public let reasons: [PolicyReason]
    /// The approvals that are missing; nil where enough others have signed.
    public let shortage: PolicyDecision.Shortage?

    /// Whether the rule allows the request.
    public var isMet: Bool { reasons.isEmpty && shortage == nil }
}
