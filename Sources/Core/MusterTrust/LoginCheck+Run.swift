import MusterModel
import MusterPolicy
import OpenSSHFormats

extension LoginCheck {
    /// A login that carries out one run over SSH: exactly the command that everybody signed, and nothing besides.
    ///
    /// The session that it opens is in its requester's hands, so the forced command fixes everything that runs, its standard
    /// input included, and a session is given nothing: no terminal, no forwarding.
    mutating func command(
        _ content: SSHCertificateContent,
        _ signed: SignedStatement,
        _ body: RunBody
    ) throws(TrustRefusal) -> (AccountName, LoginGrant) {
        let run = try RunOverSSH(signed.statement, policy: policy, time: time)
        try checkBinding(content, run.ssh.publicKey, run.account)
        let check = RunCheck(signed: signed, body: body, policy: policy, fleet: fleet, node: login.node)
        // How often it runs while its certificate is good is its requester's to say.
        let decision = try check.decide(usedIDs: [], at: time)
        signers = decision.signers
        try checkStatementLife(content, signed.statement, longest: RunBody.statementLifetime)
        let grant = LoginGrant(
            run: run.line,
            rule: decision.rule,
            approvers: decision.approvers,
            seconds: run.ssh.seconds
        )
        if let obstacle = Self.obstacle(content, run.ssh.seconds, grant) { throw obstacle }
        return (run.account, grant)
    }
}
