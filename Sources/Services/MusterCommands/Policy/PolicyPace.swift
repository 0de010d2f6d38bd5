import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy

/// What a policy says of the pace of changes, in words: freezes, limits, and what need not wait.
enum PolicyPace {
    /// A line for each of them, in an order that does not depend on how they are written.
    static func lines(_ policy: FleetPolicy) -> [String] {
        policy.freezes.sorted { ($0.from, $0.name) < ($1.from, $1.name) }.map(text)
            + policy.limits.sorted { $0.key < $1.key }.map { tag, most in
                "at most \(most) with tag \(tag) \(most == 1 ? "is" : "are") changed at one moment"
            }
            + (policy.urgency.letsSecuritySkipBake ? ["security releases skip the time to bake"] : [])
            + (policy.urgency.letsSecurityIgnoreWindows ? ["security releases do not wait for windows"] : [])
    }

    /// What is said of it by one policy and not by the other.
    static func changes(from before: FleetPolicy, to after: FleetPolicy) -> [String] {
        let (old, new) = (lines(before).map { ExactText($0) }, lines(after).map { ExactText($0) })
        return old.filter { !new.contains($0) }.map { "- \(VisibleText.legible($0.text))" }
            + new.filter { !old.contains($0) }.map { "+ \(VisibleText.legible($0.text))" }
    }

    private static func text(_ freeze: PolicyFreeze) -> String {
        let nodes = freeze.nodes.map(\.description).joined(separator: ", ")
        let exception = freeze.exceptSecurity ? ", except for security releases" : ""
        let reason = freeze.reason.isEmpty ? "" : " (\(freeze.reason))"
        return "frozen by '\(freeze.name)'\(reason): \(nodes) from \(freeze.from) until \(freeze.until)\(exception)"
    }
}

extension PolicySummary {
    /// Freezes, limits and urgency.
    var pace: [StyledText] { PolicyPace.lines(policy).map { StyledText($0) } }
}
