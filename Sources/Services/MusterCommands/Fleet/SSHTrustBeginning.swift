import ByteCoding
import CanonicalJSON
import MusterAPI
import MusterModel
import OpenSSHFormats

/// The first `ssh/trust.json` of a fleet: the service's own keys for certificates, which sign from the start.
struct SSHTrustBeginning: Sendable {
    let service: ServiceDescription.Keys
    let time: UTCTime
    /// For how many days the CAs are trusted.
    let days: Int

    /// The document; nil where the service has no keys for certificates.
    func document() throws -> SSHTrust? {
        guard let user = service.sshUserAuthority, let host = service.sshHostAuthority else { return nil }
        return try SSHTrust(version: 1, userAuthorities: [authority(user)], hostAuthorities: [authority(host)])
    }

    private func authority(_ key: [UInt8]) throws -> SSHTrust.Authority {
        SSHTrust.Authority(
            publicKey: try SSHPublicKey(ed25519: key),
            phase: .signing,
            since: time,
            expires: time.adding(seconds: Int64(days) * 86400)
        )
    }
}
