import ByteCoding
import MusterModel

/// One reason against a request.
public struct PolicyReason: Hashable, Sendable, CustomStringConvertible {
    /// What stands against it, for programs.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        case policyExpired = "policy-expired"
        case unknownRequester = "unknown-requester"
        case requesterDidNotSign = "requester-did-not-sign"
        case noRule = "no-rule"
        case ruleNotUnderstood = "rule-not-understood"
        case requesterNotNamed = "requester-not-named"
        case nodeNotSelected = "node-not-selected"
        case packageNotNamed = "package-not-named"
        case tagNotNamed = "tag-not-named"
        case accountNotNamed = "account-not-named"
        case otherCommand = "other-command"
        case commandNotDefined = "command-not-defined"
        case commandUnusable = "command-unusable"
        case commandNotNamed = "command-not-named"
        case outsideWindow = "outside-window"
        case frozen
        case approvalsMissing = "approvals-missing"
    }

    /// What stands against it.
    public let code: Code
    /// The rule that does not fit; nil where it is about no rule.
    public let rule: String?
    /// The reason in words, as one clause.
    public let text: String
    /// When the rule's window next opens, or the freeze is over, where the hour alone is what it says.
    public let opens: UTCTime?

    /// A reason.
    public init(_ code: Code, rule: String? = nil, _ text: String, opens: UTCTime? = nil) {
        self.code = code
        self.rule = rule
        self.text = text
        self.opens = opens
    }

    /// The reason with its rule.
    public var description: String { rule.map { "rule '\($0)': \(text)" } ?? text }
}

/// What the policy says to a request, and why.
public enum PolicyDecision: Hashable, Sendable, CustomStringConvertible {
    /// How far a rule is from being met: everything fits but the number of approvals.
    public struct Shortage: Hashable, Sendable {
        /// The rule.
        public let rule: String
        /// Who has approved.
        public let have: [OperatorName]
        /// How many must.
        public let need: Int
        /// Who still may.
        public let from: [OperatorName]
    }

    /// Allowed by a rule, with the approvers that it counted.
    case allowed(rule: String, approvers: [OperatorName])
    /// Only approvals are missing, here for the rule that lacks the fewest.
    case needsApprovals(Shortage)
    /// Not allowed: why each rule for the action does not fit.
    case refused([PolicyReason])

    /// Whether it may be done now.
    public var isAllowed: Bool {
        if case .allowed = self { return true }
        return false
    }

    /// The decision in one line.
    public var description: String {
        switch self {
        case .allowed(let rule, let approvers):
            "allowed by rule '\(rule)'"
                + (approvers.isEmpty ? "" : ", approved by \(approvers.map(\.text).joined(separator: ", "))")
        case .needsApprovals(let shortage):
            "rule '\(shortage.rule)' needs \(shortage.need) approvals and has \(shortage.have.count): "
                + (shortage.from.isEmpty
                    ? "nobody is left to ask" : "ask \(shortage.from.map(\.text).joined(separator: ", "))")
        case .refused(let reasons):
            "not allowed: " + reasons.map(\.description).joined(separator: "; ")
        }
    }
}
