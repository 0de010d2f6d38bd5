import ByteCoding
import MusterModel

/// The parts of a rule, each judged by itself: a rule fits where nothing stands against it in any of them.
extension FleetPolicy {
    private typealias Check = @Sendable (FleetPolicy, PolicyRule, PolicyRequest, UTCTime?) -> PolicyReason?

    /// In the order in which the first reason is told: who and where before what, and the hour last, as it alone passes.
    private static let checks: [Check] = [
        { policy, rule, _, _ in policy.understanding(rule) },
        { policy, rule, request, _ in policy.requester(rule, request) },
        { policy, rule, request, _ in policy.node(rule, request) },
        { policy, rule, request, _ in policy.package(rule, request) },
        { policy, rule, request, _ in policy.tags(rule, request) },
        { policy, rule, request, _ in policy.login(rule, request) },
        { policy, rule, request, _ in policy.command(rule, request) },
        { policy, rule, request, time in policy.window(rule, request, time) },
    ]

    /// The first thing in the rule that stands against the request; nil where nothing does but perhaps approvals.
    ///
    /// Without a time, the hour does not count.
    func obstacle(in rule: PolicyRule, to request: PolicyRequest, at time: UTCTime?) -> PolicyReason? {
        for check in Self.checks {
            if let reason = check(self, rule, request, time) { return reason }
        }
        return nil
    }

    /// Everything in the rule that stands against the request.
    func obstacles(in rule: PolicyRule, to request: PolicyRequest, at time: UTCTime) -> [PolicyReason] {
        Self.checks.compactMap { $0(self, rule, request, time) }
    }

    private func understanding(_ rule: PolicyRule) -> PolicyReason? {
        let unknown = rule.notUnderstood
        guard !unknown.isEmpty else { return nil }
        let names = unknown.joined(separator: ", ")
        return PolicyReason(.ruleNotUnderstood, rule: rule.name, "'\(names)' is not known to this program")
    }

    private func requester(_ rule: PolicyRule, _ request: PolicyRequest) -> PolicyReason? {
        guard !isMember(request.requester, of: rule.who) else { return nil }
        return PolicyReason(.requesterNotNamed, rule: rule.name, "'\(request.requester)' is not among its 'who'")
    }

    private func node(_ rule: PolicyRule, _ request: PolicyRequest) -> PolicyReason? {
        guard let node = request.node, !node.isSelected(by: rule.nodes) else { return nil }
        let name = node.id.map { "node '\($0)'" } ?? "the node"
        return PolicyReason(.nodeNotSelected, rule: rule.name, "\(name) is not among its 'nodes'")
    }

    private func package(_ rule: PolicyRule, _ request: PolicyRequest) -> PolicyReason? {
        guard let package = request.package, let packages = rule.packages,
            !packages.contains(where: { $0.utf8.elementsEqual(package.utf8) })
        else { return nil }
        return PolicyReason(.packageNotNamed, rule: rule.name, "'\(package)' is not among its 'packages'")
    }

    private func tags(_ rule: PolicyRule, _ request: PolicyRequest) -> PolicyReason? {
        guard !request.tags.isEmpty, rule.tags?.allows(request.tags) != true else { return nil }
        let tags = request.tags.sorted().map(\.text).joined(separator: ", ")
        return PolicyReason(.tagNotNamed, rule: rule.name, "not all of the tags \(tags) are among its 'tags'")
    }

    private func login(_ rule: PolicyRule, _ request: PolicyRequest) -> PolicyReason? {
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

    private func command(_ rule: PolicyRule, _ request: PolicyRequest) -> PolicyReason? {
        guard request.action == .run else { return nil }
        guard let command = request.command, rule.commands?.allows(command) == true else {
            let name = request.command.map { "'\($0)'" } ?? "the command"
            return PolicyReason(.commandNotNamed, rule: rule.name, "\(name) is not among its 'commands'")
        }
        return nil
    }

    private func window(_ rule: PolicyRule, _ request: PolicyRequest, _ time: UTCTime?) -> PolicyReason? {
        guard let time, let windows = rule.windows, !windows.isOpen(at: time), !urgency.ignoresWindows(request)
        else { return nil }
        guard let opens = windows.opens(from: time) else {
            return PolicyReason(.outsideWindow, rule: rule.name, "none of its 'windows' ever opens")
        }
        let hours = windows.map(\.text).joined(separator: ", ")
        return PolicyReason(
            .outsideWindow,
            rule: rule.name,
            "outside its 'windows' (\(hours)): the next opens at \(opens)",
            opens: opens
        )
    }
}
