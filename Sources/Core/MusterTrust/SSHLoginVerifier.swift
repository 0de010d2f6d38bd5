import ByteCoding
import CanonicalJSON
import MusterModel
import MusterPolicy
import OpenSSHFormats

/// Checks a login by certificate on the node itself, so that the CA's key alone opens no door.
///
/// sshd has checked by then that its CA signed the certificate and that it is not revoked. That proves nothing about the
/// operator: the certificate must carry the operator's own statement, for this key, this account and this node, and the
/// node's own trusted policy must allow it today. Nothing in the certificate may go beyond that, nor differ from it: a
/// service that was taken over could otherwise force a command of its own on an operator who logs in.
public enum SSHLoginVerifier {
    /// What sshd asks, and of which node.
    public struct Login: Sendable {
        /// The certificate as it was presented: sshd's `%k`, decoded.
        public var certificate: [UInt8]
        /// The account to log in as: sshd's `%u`.
        public var user: String
        /// The node, by its own trusted id and tags.
        public var node: NodeFacts
        /// The fleet's user CAs that count; nil leaves that to sshd's `TrustedUserCAKeys`.
        public var authorities: Set<SSHPublicKey>?

        /// A login.
        public init(certificate: [UInt8], user: String, node: NodeFacts, authorities: Set<SSHPublicKey>? = nil) {
            self.certificate = certificate
            self.user = user
            self.node = node
            self.authorities = authorities
        }
    }

    /// Whether the login may go on at `time` under the node's trusted policy.
    ///
    /// Revocation is sshd's part: it reads the revocation list itself, before it asks.
    public static func verify(_ login: Login, policy: FleetPolicy, fleet: FleetID, time: UTCTime) -> SSHLoginVerdict {
        var check = LoginCheck(login: login, policy: policy, fleet: fleet, time: time)
        let outcome: SSHLoginVerdict.Outcome
        do throws(TrustRefusal) {
            let (principal, grant) = try check.run()
            outcome = .allowed(principal: principal, grant: grant)
        } catch {
            outcome = .refused(error)
        }
        return SSHLoginVerdict(
            outcome: outcome,
            certificate: check.content,
            statement: check.statement,
            signers: check.signers
        )
    }
}

/// One login on its way through the checks, with what was found so far.
private struct LoginCheck {
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
        guard case .sshCertificate(let body) = signed.statement.body else {
            let type = signed.statement.type.rawValue
            throw TrustRefusal(
                .otherType,
                "the certificate carries a statement of type '\(type)', which is for no login"
            )
        }
        try checkBinding(certificate.content, body)
        let grants = try grants(signed, body)
        try checkStatementLife(certificate.content, signed.statement)
        return (body.user, try grant(certificate.content, body, among: grants))
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
    private func checkBinding(_ content: SSHCertificateContent, _ body: SSHCertificateBody) throws(TrustRefusal) {
        guard content.publicKey == body.publicKey else {
            throw TrustRefusal(
                .otherKey,
                "the statement is for key \(body.publicKey), the certificate for \(content.publicKey)"
            )
        }
        guard login.user.utf8.elementsEqual(body.user.text.utf8) else {
            throw TrustRefusal(
                .otherAccount,
                "the statement is for account '\(body.user)', the login for '\(login.user.prefix(64))'"
            )
        }
        guard content.principals.count == 1, content.names(body.user.text) else {
            throw TrustRefusal(.otherAccount, "the certificate names other accounts than '\(body.user)' alone")
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

    private func checkStatementLife(
        _ content: SSHCertificateContent,
        _ statement: Statement
    ) throws(TrustRefusal) {
        let longest = SSHCertificateBody.statementLifetime
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
            guard let obstacle = Self.obstacle(content, body, grant) else { return grant }
            first = first ?? obstacle
        }
        throw first ?? TrustRefusal(.notAllowed, "no rule of the policy grants this login")
    }

    private static func obstacle(
        _ content: SSHCertificateContent,
        _ body: SSHCertificateBody,
        _ grant: LoginGrant
    ) -> TrustRefusal? {
        let longest = min(body.seconds, grant.maximumSeconds) + SSHCertificateBody.backdating
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
