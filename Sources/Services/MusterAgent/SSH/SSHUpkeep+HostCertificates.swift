import Logging
import MusterModel
import MusterSystem
import OpenSSHFormats

/// The certificates of the host's own keys.
extension SSHUpkeep {
    /// The key's certificate, if clients of the fleet would take it.
    func showable(_ key: HostKey, _ authorities: SSHTrust) -> SSHCertificate? {
        guard let certificate = key.certificate, objection(certificate, key, authorities) == nil else { return nil }
        return certificate
    }

    /// Asks for certificates where there are none, or none that lasts; true when there are others now.
    func renewHostCertificates(
        _ authorities: SSHTrust,
        _ problems: inout [String]
    ) async throws(SystemError) -> Bool {
        guard nextCertificate.map({ clock.monotonic() >= $0 }) ?? true, trusted != nil else { return false }
        let keys = await HostKey.all(try await program.effective(), paths, program)
        let due = keys.filter { key in
            showable(key, authorities).map {
                HostCertificateRule.isDue($0, trust: authorities, time: clock.now())
            } ?? true
        }
        // Most of the time there is nothing to do for weeks; news of authorities and revocations look at once.
        nextCertificate = clock.monotonic() + 600_000
        guard !due.isEmpty else { return false }
        do throws(FleetServiceError) {
            let lines = try await certificates.hostCertificates(for: due.map(\.publicKey.line))
            try keep(lines, due, authorities)
            certificateBackoff.reset()
            return true
        } catch {
            let wait = certificateBackoff.next() ?? .seconds(600)
            nextCertificate = clock.monotonic() + wait.components.seconds * 1000
            let isMissing = due.contains { showable($0, authorities) == nil }
            if isMissing { problems.append("there are no host certificates: \(error.message)") }
            logger.info("host certificates cannot be renewed", metadata: ["reason": "\(error.message)"])
            return false
        }
    }

    /// Puts those certificates in place that are worth showing.
    private func keep(_ lines: [String], _ keys: [HostKey], _ authorities: SSHTrust) throws(FleetServiceError) {
        guard lines.count == keys.count else {
            throw FleetServiceError("the service sent \(lines.count) host certificates for \(keys.count) keys")
        }
        for (line, key) in zip(lines, keys) {
            let certificate: SSHCertificate
            do throws(SSHFormatError) {
                certificate = try SSHCertificate(line: line)
            } catch {
                throw FleetServiceError("the service sent a host certificate that cannot be read: \(error)")
            }
            if let objection = objection(certificate, key, authorities) {
                throw FleetServiceError("the service sent a host certificate that clients would not take: \(objection)")
            }
            do throws(SystemError) {
                try Self.write(Array((certificate.line + "\n").utf8), to: key.certificatePath)
            } catch {
                throw FleetServiceError("\(error)")
            }
            logger.notice(
                "host certificate",
                metadata: ["key": "\(key.publicKey)", "serial": "\(certificate.content.serial)"]
            )
        }
    }

    private func objection(_ certificate: SSHCertificate, _ key: HostKey, _ authorities: SSHTrust) -> String? {
        HostCertificateRule.objection(
            to: certificate,
            of: key.publicKey,
            trust: authorities,
            revoked: revocations.present(),
            time: clock.now()
        )
    }
}
