import ByteCoding
import MusterAPI
import MusterSystem
import OpenSSHFormats

/// What sshd does by its own word: the files that `sshd -T` names are read, whatever the agent meant to put there.
struct SSHProof: Sendable {
    let effective: SSHDEffective
    let paths: SSHPaths

    /// The report, but for logins and problem.
    func report(_ keys: [HostKey], version: String) -> SSHReport {
        SSHReport(
            sshdVersion: version,
            krlVersion: revocationVersion,
            userAuthorities: authorities,
            hostCertificates: certificates,
            hostKeys: keys.map(\.publicKey.line)
        )
    }

    /// Fingerprints of the CAs whose certificates sshd takes.
    private var authorities: [String] {
        guard effective.first("pubkeyauthentication") != "no", let path = effective.first("trustedusercakeys") else {
            return []
        }
        return Array(lines(path).compactMap { (try? SSHPublicKey(line: $0))?.fingerprint }.prefix(64))
    }

    private var revocationVersion: Int64? {
        guard effective.first("revokedkeys") == paths.revocations,
            let bytes = try? BoundedFile.read(paths.revocations, limit: SSHRevocationList.byteLimit),
            let list = try? SSHRevocationList(bytes: bytes)
        else { return nil }
        return Int64(clamping: list.version)
    }

    private var certificates: [SSHReport.HostCertificate] {
        effective.all("hostcertificate").prefix(16).compactMap { path in
            guard let line = lines(path).first, let content = (try? SSHCertificate(line: line))?.content else {
                return nil
            }
            return SSHReport.HostCertificate(
                fingerprint: content.publicKey.fingerprint,
                serial: Int64(clamping: content.serial),
                validBefore: UTCTime(seconds: Int64(clamping: min(content.validBefore, 253_402_300_799)))
            )
        }
    }

    private func lines(_ path: String) -> [String] {
        guard let bytes = try? BoundedFile.read(path, limit: 1 << 20) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { String($0) }
    }
}
