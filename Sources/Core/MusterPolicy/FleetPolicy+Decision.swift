import ByteCoding
import CanonicalJSON
import MusterModel

extension FleetPolicy {
    /// Most reasons that a refusal lists.
    private static let reasonLimit = 16

    /// Whether the request may be done at `time`: one fitting rule is enough, and taking away a signature or a rule never
    /// makes an allowed request of a refused one.
    ///
    /// What is allowed but frozen just now is refused, with the moment at which that is over.
    public func decide(
        _ request: PolicyRequest,
        time: UTCTime,
        hours: HourCounting = .judged
    ) -> PolicyDecision {
        let decision = decideByRules(request, time, hours)
        guard hours == .judged, decision.isAllowed, let reason = freeze(request, at: time) else { return decision }
        return .refused([reason])
    }

    private func decideByRules(_ request: PolicyRequest, _ time: UTCTime, _ hours: HourCounting) -> PolicyDecision {
        let hour = hours == .judged ? time : nil
        if let reason = obstacle(to: request, at: time) { return .refused([reason]) }
        var reasons: [PolicyReason] = []
        var nearest: PolicyDecision.Shortage?
        for rule in rules where rule.allow.contains(request.action) {
            if let reason = obstacle(in: rule, to: request, at: hour) {
                if reasons.count < Self.reasonLimit { reasons.append(reason) }
                continue
            }
            guard let shortage = shortage(rule, request) else {
                return .allowed(rule: rule.name, approvers: approvers(rule, request))
            }
            if nearest.map({ shortage.missing < $0.missing }) ?? true { nearest = shortage }
        }
        if let nearest { return .needsApprovals(nearest) }
        guard reasons.isEmpty else { return .refused(reasons) }
        return .refused([PolicyReason(.noRule, "no rule allows '\(request.action)'")])
    }

    /// Every rule that allows the login, with what it grants; the most generous first.
    ///
    /// Which of them counts does not depend on their order in the document: whoever is allowed a shell by one rule and one
    /// command by another has the shell.
    public func loginGrants(_ request: PolicyRequest, time: UTCTime) -> [LoginGrant] {
        guard let login = request.login, request.action == .sshCertificate, obstacle(to: request, at: time) == nil
        else {
            return []
        }
        let fitting = rules.filter {
            $0.allow.contains(.sshCertificate) && obstacle(in: $0, to: request, at: time) == nil
                && shortage($0, request) == nil
        }
        return fitting.compactMap { rule in
            rule.logins.map { LoginGrant(rule.name, approvers(rule, request), $0, command: login.command) }
        }.sorted { $0.isMoreGenerous(than: $1) }
    }

    private func obstacle(to request: PolicyRequest, at time: UTCTime) -> PolicyReason? {
        guard time < expires else {
            return PolicyReason(.policyExpired, "the policy expired at \(expires)")
        }
        guard operators[request.requester] != nil else {
            return PolicyReason(.unknownRequester, "'\(request.requester)' is not an operator of the policy")
        }
        guard request.signers.contains(request.requester) else {
            return PolicyReason(.requesterDidNotSign, "'\(request.requester)' asks but has not signed")
        }
        return commandObstacle(to: request)
    }

    /// A command that the policy does not define, or that cannot be run as it stands there, is run by nobody.
    private func commandObstacle(to request: PolicyRequest) -> PolicyReason? {
        guard request.action == .run, let name = request.command else { return nil }
        guard let command = commands[name] else {
            return PolicyReason(.commandNotDefined, "the policy has no command '\(name)'")
        }
        return command.problems.first.map { PolicyReason(.commandUnusable, "command '\(name)' cannot be run: \($0)") }
    }

    /// What each rule for the action says to the request, for explaining it: every reason against it, and the approvals it
    /// lacks.
    ///
    /// What stands against the request whatever the rules say is none of this: see `decide`.
    public func verdicts(_ request: PolicyRequest, time: UTCTime) -> [RuleVerdict] {
        rules.filter { $0.allow.contains(request.action) }.map { rule in
            RuleVerdict(
                rule: rule.name,
                reasons: obstacles(in: rule, to: request, at: time),
                shortage: shortage(rule, request)
            )
        }
    }

    private func approvers(_ rule: PolicyRule, _ request: PolicyRequest) -> [OperatorName] {
        guard let approvals = rule.approvals else { return [] }
        return request.signers.subtracting([request.requester]).intersection(members(of: approvals.from)).sorted()
    }

    func shortage(_ rule: PolicyRule, _ request: PolicyRequest) -> PolicyDecision.Shortage? {
        guard let approvals = rule.approvals else { return nil }
        let have = approvers(rule, request)
        guard have.count < approvals.count else { return nil }
        let others = members(of: approvals.from).subtracting(have).subtracting([request.requester])
        return PolicyDecision.Shortage(rule: rule.name, have: have, need: approvals.count, from: others.sorted())
    }
}

extension PolicyDecision.Shortage {
    /// How many approvals are missing.
    public var missing: Int { need - have.count }
}
