import MusterModel

extension LoginGrant {
    /// What both grants allow: a certificate within it is good wherever either counts.
    ///
    /// Nil where they force different commands: no certificate fits both.
    public func common(with other: LoginGrant) -> LoginGrant? {
        guard forceCommand.map({ Array($0.utf8) }) == other.forceCommand.map({ Array($0.utf8) }) else { return nil }
        return LoginGrant(
            rule: rule == other.rule ? rule : "\(rule), \(other.rule)",
            approvers: approvers.filter(other.approvers.contains),
            maximumSeconds: min(maximumSeconds, other.maximumSeconds),
            extensions: extensions.filter(other.extensions.contains),
            forceCommand: forceCommand
        )
    }

    init(
        rule: String,
        approvers: [OperatorName],
        maximumSeconds: Int64,
        extensions: [String],
        forceCommand: String?
    ) {
        self.rule = rule
        self.approvers = approvers
        self.maximumSeconds = maximumSeconds
        self.extensions = extensions
        self.forceCommand = forceCommand
    }
}
