import MusterModel

extension LoginGrant {
    /// What a `run` statement that goes over SSH grants: this one line, and nothing besides.
    ///
    /// Whether it is granted at all is for `decide` to say, and who approved it.
    public init(run line: String, rule: String, approvers: [OperatorName], seconds: Int64) {
        self.init(rule: rule, approvers: approvers, maximumSeconds: seconds, extensions: [], forceCommand: line)
    }
}
