import ByteCoding
import MusterModel
import MusterSystem
import OpenSSHFormats

/// A key that sshd shows, and where its certificate is kept.
struct HostKey: Hashable, Sendable {
    let publicKey: SSHPublicKey
    let certificatePath: String

    /// The keys of the effective configuration that are there, in its order.
    static func all(_ effective: SSHDEffective, _ paths: SSHPaths, _ program: SSHDProgram) async -> [HostKey] {
        var keys: [HostKey] = []
        for path in effective.all("hostkey").prefix(16) {
            guard let key = await publicKey(path, program), !keys.contains(where: { $0.publicKey == key }) else {
                continue
            }
            let number = keys.count { $0.publicKey.kind == key.kind } + 1
            keys.append(HostKey(publicKey: key, certificatePath: paths.hostCertificate(key.kind, number: number)))
        }
        return keys
    }

    /// The certificate as it is on the disk.
    var certificate: SSHCertificate? {
        guard let bytes = try? BoundedFile.read(certificatePath, limit: SSHCertificate.lineLimit),
            let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first
        else { return nil }
        return try? SSHCertificate(line: String(line))
    }

    private static func publicKey(_ path: String, _ program: SSHDProgram) async -> SSHPublicKey? {
        if let bytes = try? BoundedFile.read(path + ".pub", limit: SSHPublicKey.lineLimit),
            let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first,
            let key = try? SSHPublicKey(line: String(line))
        {
            return key
        }
        return await program.publicKey(of: path).flatMap { try? SSHPublicKey(line: $0) }
    }
}

/// Whether a host certificate may be shown, and whether it is time for another: decided without I/O.
enum HostCertificateRule {
    /// Why the certificate cannot be shown to clients of this fleet; nil where it can.
    static func objection(
        to certificate: SSHCertificate,
        of key: SSHPublicKey,
        trust: SSHTrust,
        revoked: SSHRevocationList?,
        time: UTCTime
    ) -> String? {
        let content = certificate.content
        guard content.kind == .host else { return "it is not a host certificate" }
        guard content.publicKey == key else { return "it is for another key" }
        guard trust.hostAuthorities.trusted(at: time).contains(where: { $0.publicKey == content.authority }) else {
            return "the fleet does not trust its CA \(content.authority.fingerprint)"
        }
        guard certificate.isGenuine else { return "its signature is not the CA's" }
        guard content.isValid(at: time) else { return "it is not good at \(time.wholeSeconds)" }
        if let finding = revoked?.finding(for: certificate) { return "it is revoked (\(finding))" }
        return nil
    }

    /// Whether another should be asked for although this one may be shown: two thirds of its life are over, or its CA is
    /// about to be trusted no more.
    static func isDue(_ certificate: SSHCertificate, trust: SSHTrust, time: UTCTime) -> Bool {
        let content = certificate.content
        let phase = trust.hostAuthorities.first { $0.publicKey == content.authority }?.phase
        if phase == .retiring || phase == nil { return true }
        let life = content.validBefore - content.validAfter
        return time.seconds >= 0 && UInt64(time.seconds) >= content.validAfter + life / 3 * 2
    }
}
