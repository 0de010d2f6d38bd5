import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import OpenSSHFormats

/// One login on its way through the checks, with what was found so far.
struct LoginCheck {
    let login: SSHLoginVerifier.Login
    let policy: FleetPolicy
    let fleet: FleetID
    let time: UTCTime
    var content: SSHCertificateContent?
    var statement: Statement?
    var signers: [StatementSigner] = []

    mutating func run() throws(TrustRefusal) -> (AccountName, LoginGrant) {
        let certificate = try readCertificate()
        content = certificate.content
        try checkItself(certificate)
        let signed = try readStatement(certificate.content)
        statement = signed.statement
        switch signed.statement.body {
        case .sshCertificate(let body): return try session(certificate.content, signed, body)
        case .run(let body): return try command(certificate.content, signed, body)
        default:
            let type = signed.statement.type.rawValue
            throw TrustRefusal(
                .otherType,
                "the certificate carries a statement of type '\(type)', which is for no login"
            )
        }
    }

    /// A login as an `ssh-certificate` statement asks for it.
    private mutating func session(
        _ content: SSHCertificateContent,
        _ signed: SignedStatement,
        _ body: SSHCertificateBody
    ) throws(TrustRefusal) -> (AccountName, LoginGrant) {
        try checkBinding(content, body.publicKey, body.user)
        let grants = try grants(signed, body)
        try checkStatementLife(content, signed.statement, longest: SSHCertificateBody.statementLifetime)
        return (body.user, try grant(content, body, among: grants))
    }

    private func readCertificate() throws(TrustRefusal) -> SSHCertificate {
        do throws(SSHFormatError) {
            return try SSHCertificate(blob: login.certificate)
        } catch {
            throw TrustRefusal(.malformed, "the certificate cannot be read: \(error)")
        }
    }

    /// What needs no statement: kind, signature, time, and the limits that every certificate of ours has.
    private func checkItself(_ certificate: SSHCertificate) throws(TrustRefusal) {
        let content = certificate.content
        guard content.kind == .user else { throw TrustRefusal(.otherKind, "a host certificate is not for logging in") }
        guard login.authorities?.contains(content.authority) ?? true, certificate.isGenuine else {
            throw TrustRefusal(.otherAuthority, "no user CA of this fleet made the certificate: \(content.authority)")
        }
        guard time.seconds >= 0, UInt64(time.seconds) >= content.validAfter else {
            throw TrustRefusal(.issuedInFuture, "the certificate is not valid yet; the time is \(time.wholeSeconds)")
        }
        guard content.isValid(at: time) else {
            throw TrustRefusal(.expired, "the certificate is over; the time is \(time.wholeSeconds)")
        }
        guard content.sourceAddresses?.isEmpty == false else {
            throw TrustRefusal(.sourceAddressMissing, "the certificate does not say where its user may come from")
        }
        let known = [
            SSHCertificateOption.forceCommand, SSHCertificateOption.sourceAddress, SSHCertificateOption.verifyRequired,
        ]
        for option in content.criticalOptions where !known.contains(where: { $0.utf8.elementsEqual(option.name.utf8) })
        {
            throw TrustRefusal(.extensionNotAllowed, "the critical option '\(option.name)' is not known here")
        }
    }

    private func readStatement(_ content: SSHCertificateContent) throws(TrustRefusal) -> SignedStatement {
        guard let bytes = content.extension(SSHCertificateBody.statementExtension)?.value else {
            throw TrustRefusal(
                .statementMissing,
                "the certificate carries no statement of an operator: its CA signed it, but nobody asked for it"
            )
        }
        do throws(JSONError) {
            let value = try JSONValue.parse(bytes, limit: SSHCertificate.byteLimit)
            return try SignedStatement(try JSONFields(value))
        } catch {
            throw TrustRefusal(.malformed, "the statement in the certificate cannot be read: \(error)")
        }
    }

    /// The certificate is for the key and account that the statement is for, and the login is to that account.
    func checkBinding(
        _ content: SSHCertificateContent,
        _ key: SSHPublicKey,
        _ account: AccountName
    ) throws(TrustRefusal) {
        guard content.publicKey == key else {
            throw TrustRefusal(.otherKey, "the statement is for key \(key), the certificate for \(content.publicKey)")
        }
        guard login.user.utf8.elementsEqual(account.text.utf8) else {
            throw TrustRefusal(
                .otherAccount,
                "the statement is for account '\(account)', the login for '\(login.user.prefix(64))'"
            )
        }
        guard content.principals.count == 1, content.names(account.text) else {
            throw TrustRefusal(.otherAccount, "the certificate names other accounts than '\(account)' alone")
        }
    }

    /// The statement by itself, and what the policy grants for it here.
    private mutating func grants(
        _ signed: SignedStatement,
        _ body: SSHCertificateBody
    ) throws(TrustRefusal) -> [LoginGrant] {
        let verdict = StatementVerifier.verify(
            signed,
            policy: policy,
            fleet: fleet,
            time: time,
            node: login.node
        )
        signers = verdict.signers
        if let refusal = verdict.refusal { throw refusal }
        guard login.node.isSelected(by: body.nodes) else {
            let id = signed.statement.id
            throw TrustRefusal(.notSelected, "statement \(id) asks for other nodes than this one")
        }
        let request = PolicyRequest(signed.statement, signers: Set(signers.map(\.name)), node: login.node)
        let grants = policy.loginGrants(request, time: time)
        guard !grants.isEmpty else {
            throw TrustRefusal(.notAllowed, "no rule of the policy grants this login")
        }
        return grants
    }

    func checkStatementLife(
        _ content: SSHCertificateContent,
        _ statement: Statement,
        longest: Int64
    ) throws(TrustRefusal) {
        guard statement.expires <= statement.issued.adding(seconds: longest) else {
            throw TrustRefusal(.lifetimeTooLong, "statement \(statement.id) lives longer than \(longest / 3600) hours")
        }
        guard content.validBefore <= UInt64(max(0, statement.expires.seconds)) else {
            throw TrustRefusal(
                .validityTooLong,
                "the certificate outlives its statement \(statement.id), which expires at \(statement.expires)"
            )
        }
    }

    /// The first grant that the certificate stays within; else why it does not stay within the most generous.
    private func grant(
        _ content: SSHCertificateContent,
        _ body: SSHCertificateBody,
        among grants: [LoginGrant]
    ) throws(TrustRefusal) -> LoginGrant {
        var first: TrustRefusal?
        for grant in grants {
            guard let obstacle = Self.obstacle(content, body.seconds, grant) else { return grant }
            first = first ?? obstacle
        }
        throw first ?? TrustRefusal(.notAllowed, "no rule of the policy grants this login")
    }

    /// Why the certificate goes beyond a grant for `seconds`, or differs from it; nil where it stays within.
    static func obstacle(
        _ content: SSHCertificateContent,
        _ seconds: Int64,
        _ grant: LoginGrant
    ) -> TrustRefusal? {
        let longest = min(seconds, grant.maximumSeconds) + SSHCertificateBody.backdating
        guard content.validBefore - content.validAfter <= UInt64(longest) else {
            return TrustRefusal(
                .validityTooLong,
                "the certificate is good for longer than \(longest) seconds, which statement and rule '\(grant.rule)' allow"
            )
        }
        guard content.forceCommand.map({ Array($0.utf8) }) == grant.forceCommand.map({ Array($0.utf8) }) else {
            let wanted = grant.forceCommand.map { "the command '\($0)'" } ?? "no command"
            return TrustRefusal(
                .otherCommand,
                "statement and rule '\(grant.rule)' force \(wanted), the certificate another or none"
            )
        }
        let names = grant.extensions + [SSHCertificateBody.statementExtension]
        for option in content.extensions where !names.contains(where: { $0.utf8.elementsEqual(option.name.utf8) }) {
            return TrustRefusal(.extensionNotAllowed, "rule '\(grant.rule)' does not allow '\(option.name)'")
        }
        return nil
    }
}
