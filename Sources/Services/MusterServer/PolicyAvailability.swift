import ByteCoding
import MusterPolicy
import TUF
import TUFTrust

/// Whether the policy can be used at a moment, which may be later than the one the publication was verified at.
extension Publication {
    /// Why the policy counts for nothing at `time`, in words; nil where it counts.
    func policyTrouble(at time: UTCTime) -> String? {
        guard let policy else { return "the policy is not trusted: \(troubles.joined(separator: "; "))" }
        let chain = [
            ("root", trusted.root.expires), ("targets", trusted.targets?.expires),
            ("policy", trusted.delegatedTargets("policy")?.expires), ("policy/fleet.json", policy.expires),
        ]
        for case (let name, let expires?) in chain where expires <= time { return "\(name) expired at \(expires)" }
        return nil
    }

    /// Why no operator can log in at `time`, whoever it is, in words; nil where somebody can.
    ///
    /// Then nobody could upload what lets operators in again, so the signatures of its owners have to be enough.
    func loginTrouble(at time: UTCTime) -> String? {
        if let trouble = policyTrouble(at: time) { return trouble }
        let somebody = policy?.operators.contains { name, entry in
            entry.keys.contains { policy?.obstacle(to: $0, of: name, at: time) == nil }
        }
        return somebody == true ? nil : "no operator's key in the policy can be used any more"
    }
}
