import ByteCoding
import MusterAPI
import MusterModel
import OpenSSHFormats

/// The host keys by which nodes are known: those of their records that the fleet's host CA has certified.
///
/// libssh verifies no host certificate, so the plain key is compared with the record, and the record is held against the
/// revocations that the fleet has signed. The record is the service's word, as the host CA is its key.
struct NodeHostKeys: Sendable {
    /// Why a node has no host key to be known by, as a clause.
    struct Problem: Error {
        let text: String
    }

    private let revoked: SSHRevocationList?
    private let time: UTCTime
    /// Serials of host certificates that are revoked.
    private let serials: [SerialSet]
    private let areAllRevoked: Bool

    init(_ trust: SSHTrust, revoked: SSHRevocationList?, time: UTCTime) {
        self.revoked = revoked
        self.time = time
        let authorities = trust.hostAuthorities.trusted(at: time).map(\.publicKey)
        serials = revoked.map { list in authorities.map { list.serials(of: $0) } } ?? []
        areAllRevoked = revoked.map { list in authorities.allSatisfy { list.revokes($0) } } ?? authorities.isEmpty
    }

    /// The node's keys; where there is none, the error says why.
    func keys(of record: NodeRecord) throws(Problem) -> [SSHPublicKey] {
        guard let ssh = record.report?.ssh, !ssh.hostKeys.isEmpty else {
            throw Problem(text: "its record has no host key: its agent looks after no sshd")
        }
        guard !areAllRevoked else { throw Problem(text: "the fleet trusts no host CA") }
        var objection = "none of its host keys is certified by the fleet's host CA"
        var keys: [SSHPublicKey] = []
        for key in ssh.hostKeys.compactMap({ try? SSHPublicKey(line: $0) }) {
            guard let certificate = ssh.hostCertificates.first(where: { $0.fingerprint == key.fingerprint }) else {
                continue
            }
            if time >= certificate.validBefore {
                objection = "the certificate of its host key ended at \(certificate.validBefore.wholeSeconds)"
            } else if revoked?.revokes(key) == true || isRevoked(certificate.serial) {
                objection = "its host key \(key.fingerprint) is revoked"
            } else {
                keys.append(key)
            }
        }
        guard !keys.isEmpty else { throw Problem(text: objection) }
        return keys
    }

    private func isRevoked(_ serial: Int64) -> Bool {
        guard serial > 0 else { return true }
        return serials.contains { $0.contains(UInt64(serial)) }
    }
}
