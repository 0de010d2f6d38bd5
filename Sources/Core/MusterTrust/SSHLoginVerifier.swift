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
