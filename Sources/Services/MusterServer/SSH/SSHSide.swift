import ByteCoding
import MusterAPI
import MusterCA
import MusterIdentity
import MusterKeys
import MusterModel
import MusterSigners
import MusterStore
import OpenSSHFormats

/// The SSH side of the service: what its parts share.
final class SSHSide: Sendable {
    /// The serials of both CAs.
    let serials: CertificateSerials
    /// Wakes who waits for approvals of a request.
    let polls = LongPoll<StatementID>(limit: 16)
    /// Approvals and denials, one at a time.
    let approvals = Turnstile()
    /// Revocations, one at a time.
    let revoking = Turnstile()
    /// Revokes what hung on nodes that left or changed.
    let follower: NodeFollower

    init(_ store: Store) {
        serials = CertificateSerials(store)
        follower = NodeFollower(store)
    }

    /// A CA that may sign now.
    struct Signing {
        let publicKey: SSHPublicKey
        let bytes: [UInt8]
        let expires: UTCTime
        let signer: any Signer

        /// The certificate with this serial that an order makes; a problem where it is refused.
        func certificate(
            _ serial: Int64,
            at time: UTCTime,
            _ order: (CertificateStamp) throws -> UnsignedCertificate
        ) async throws -> SSHCertificate {
            let stamp = CertificateStamp(
                serial: UInt64(serial),
                nonce: RandomBytes.make(SSHCertificateContent.nonceLength),
                time: time,
                authority: publicKey
            )
            do {
                let unsigned = try order(stamp)
                return try unsigned.signed(try await signer.sign(unsigned.bytes))
            } catch let refusal as CertificateRefusal {
                throw Problem.refused(refusal.message)
            }
        }
    }

    /// The CAs that the fleet trusts; a problem where it has no SSH side.
    static func trust(_ publication: Publication) throws(Problem) -> SSHTrust {
        guard let trust = publication.sshTrust else { throw .noSSH() }
        return trust
    }

    /// The CA of a kind that signs, with its key; a problem where it has expired or its key is not here.
    static func signing(
        _ kind: SSHAuthorityKind,
        _ trust: SSHTrust,
        _ keys: SSHAuthorityKeys,
        at time: UTCTime
    ) throws(Problem) -> Signing {
        guard let authority = trust.signing(kind) else { throw .noSSH() }
        guard time < authority.expires else {
            throw .conflict(
                "the \(kind.rawValue) CA expired at \(authority.expires): replace it with 'muster ssh rotate \(kind.rawValue)'"
            )
        }
        guard let signer = keys.signer(authority.publicKey, kind) else {
            throw .unavailable(
                "this service does not hold the key of the \(kind.rawValue) CA \(authority.publicKey.fingerprint)"
            )
        }
        return Signing(
            publicKey: authority.publicKey,
            bytes: signer.publicKey,
            expires: authority.expires,
            signer: signer
        )
    }
}

extension StoredNode {
    /// When the node's own key expires; nil where it does not.
    var keyEnd: UTCTime? { keyLife.isExempt ? nil : keyLife.expires }
}

extension Problem {
    static func noSSH() -> Problem {
        Problem(
            status: 409,
            code: "no-ssh",
            title: "The fleet has no SSH certificates",
            detail: "turn them on with 'muster ssh enable', which the policy keys sign"
        )
    }
}
