import ByteCoding
import CanonicalJSON
import MusterModel

extension FleetPolicy {
    /// Most reasons that a refusal lists.
    private static let reasonLimit = 16

    /// Whether the request may be done at `time`: one fitting rule is enough, and taking away a signature or a rule never
    /// makes an allowed request of a refused one.
    public func decide(_ request: PolicyRequest, time: UTCTime) -> PolicyDecision {
        if let reason = obstacle(to: request, at: time) { return .refused([reason]) }
        var reasons: [PolicyReason] = []
        var nearest: PolicyDecision.Shortage?
        for rule in rules where rule.allow.contains(request.action) {
            if let reason = self.reason(rule, against: request) {
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
            $0.allow.contains(.sshCertificate) && reason($0, against: request) == nil && shortage($0, request) == nil
        }
        return fitting.compactMap { rule in
            rule.logins.map { LoginGrant(rule.name, approvers(rule, request), $0, command: login.command) }
        }.sorted { $0.isMoreGenerous(than: $1) }
    }

    private func loginReason(_ rule: PolicyRule, against request: PolicyRequest) -> PolicyReason? {
        guard request.action == .sshCertificate else { return nil }
        guard let login = request.login, rule.logins?.users.allows(login.account) == true else {
            let account = request.login.map { "'\($0.account)'" } ?? "the account"
            return PolicyReason(.accountNotNamed, rule: rule.name, "\(account) is not among its 'users'")
        }
        guard let only = rule.logins?.forceCommand, let command = login.command,
            !only.utf8.elementsEqual(command.utf8)
        else { return nil }
        return PolicyReason(.otherCommand, rule: rule.name, "it allows the command '\(only)' only")
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
        return nil
    }

    private func reason(_ rule: PolicyRule, against request: PolicyRequest) -> PolicyReason? {
        guard rule.unknown.count == 0 else {
            let unknown = rule.unknown.keys.joined(separator: ", ")
            return PolicyReason(.ruleNotUnderstood, rule: rule.name, "'\(unknown)' is not known to this program")
        }
        guard members(of: rule.who).contains(request.requester) else {
            return PolicyReason(.requesterNotNamed, rule: rule.name, "'\(request.requester)' is not among its 'who'")
        }
        if let node = request.node, !node.isSelected(by: rule.nodes) {
            let name = node.id.map { "node '\($0)'" } ?? "the new node"
            return PolicyReason(.nodeNotSelected, rule: rule.name, "\(name) is not among its 'nodes'")
        }
        if let package = request.package, let packages = rule.packages,
            !packages.contains(where: { $0.utf8.elementsEqual(package.utf8) })
        {
            return PolicyReason(.packageNotNamed, rule: rule.name, "'\(package)' is not among its 'packages'")
        }
        guard request.tags.isEmpty || rule.tags?.allows(request.tags) == true else {
            let tags = request.tags.sorted().map(\.text).joined(separator: ", ")
            return PolicyReason(.tagNotNamed, rule: rule.name, "not all of the tags \(tags) are among its 'tags'")
        }
        return loginReason(rule, against: request)
    }

    private func approvers(_ rule: PolicyRule, _ request: PolicyRequest) -> [OperatorName] {
        guard let approvals = rule.approvals else { return [] }
        return request.signers.subtracting([request.requester]).intersection(members(of: approvals.from)).sorted()
    }

    private func shortage(_ rule: PolicyRule, _ request: PolicyRequest) -> PolicyDecision.Shortage? {
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
