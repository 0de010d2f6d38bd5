import ByteCoding
import CanonicalJSON
import Glibc
import Logging
import MusterModel
import MusterPolicy
import MusterSystem
import OpenSSHFormats
import TUF
import TUFTrust

/// What comes from the repository, and what sshd and the principals command read of it.
extension SSHUpkeep {
    /// Takes in what the repository says now, once for each time that trust was established.
    func learn(_ problems: inout [String]) async {
        guard var trust = trusted else { return }
        do throws(TrustProblem) {
            if learned?.time != trust.time || learned?.timestampVersion != trust.timestampVersion {
                try await learnAuthorities(&trust)
                if authorities != nil { try await learnRevocations(&trust, &problems) }
                learned = trust
            }
        } catch {
            problems.append(error.message)
        }
        if authorities != nil { await writeLogin(trust, &problems) }
    }

    /// Puts the files in place that sshd reads, so that its configuration never names one that is missing.
    func prepareFiles(_ authorities: SSHTrust, _ problems: inout [String]) async {
        let lines = authorities.userAuthorities.trusted(at: clock.now()).map { $0.publicKey.line + " muster\n" }
        do {
            try paths.create()
            try Self.write(Array(lines.joined().utf8), to: paths.userAuthorities)
            try await revocations.prepare()
        } catch let refusal as RevocationFile.Refusal {
            problems.append(refusal.message)
        } catch {
            problems.append("\(error)")
        }
        if lines.isEmpty { problems.append("every user CA of the fleet has expired: 'muster ssh rotate user'") }
    }

    private func learnAuthorities(_ trust: inout FleetTrust) async throws(TrustProblem) {
        let stored = try? BoundedFile.read(paths.trust, limit: SSHTrust.byteLimit)
        let content = try await source.content(
            SSHTrust.targetPath,
            in: &trust,
            limit: SSHTrust.byteLimit,
            known: stored
        )
        guard let content else {
            authorities = nil
            unlink(paths.trust)
            return
        }
        do throws(JSONError) {
            authorities = try SSHTrust(parsing: content.bytes)
        } catch {
            throw TrustProblem("\(SSHTrust.targetPath) cannot be read: \(error)")
        }
        guard content.bytes != stored else { return }
        do throws(SystemError) {
            try AtomicFile.write(content.bytes, to: paths.trust)
        } catch {
            throw TrustProblem("\(error)")
        }
        nextCertificate = nil
        logger.notice("SSH authorities", metadata: ["version": "\(authorities?.version ?? 0)"])
    }

    private func learnRevocations(_ trust: inout FleetTrust, _ problems: inout [String]) async throws(TrustProblem) {
        // A fleet that has revoked nothing yet has no metadata of the role.
        guard trust.metadata.snapshot?.role(Self.revocationsRole) != nil else { return }
        let present = revocations.newest
        let content = try await source.content(
            Self.revocationsTarget,
            in: &trust,
            limit: SSHRevocationList.byteLimit,
            known: present
        )
        guard let content, let keys = trust.keyIDs(of: Self.revocationsRole) else { return }
        do {
            try paths.create()
            try revocations.note(keys, for: content.bytes)
            guard content.bytes != present else { return }
            try await revocations.install(
                content.bytes,
                version: Self.version(content.file),
                keys: keys,
                authorities: authorities?.userAuthorities.trusted(at: clock.now()) ?? []
            )
            nextCertificate = nil
            logger.notice("revocation list installed", metadata: ["version": "\(Self.version(content.file) ?? 0)"])
        } catch let refusal as RevocationFile.Refusal {
            problems.append(refusal.message)
        } catch {
            problems.append("\(error)")
        }
    }

    /// The path of the KRL in the repository.
    static let revocationsTarget = "ssh/revoked.krl"
    /// The role that signs it.
    private static let revocationsRole = "revocations"

    /// `custom: {"muster": {"krl_version": N}}` of the signed description; nil where it does not say.
    private static func version(_ file: TargetFile) -> UInt64? {
        guard let custom = file.custom, let fields = try? JSONFields(custom),
            let muster = try? fields.fields("muster"), let version = try? muster.integer("krl_version")
        else { return nil }
        return UInt64(version)
    }

    private func writeLogin(_ trust: FleetTrust, _ problems: inout [String]) async {
        guard let authorities else { return }
        let metadata = trust.metadata
        let expiries = [
            trust.policy.expires, metadata.root.expires, metadata.targets?.expires,
            metadata.delegatedTargets("policy")?.expires,
        ]
        let file = LoginFile(
            fleet: enrollment.fleet,
            node: enrollment.node,
            tags: await state.memory.tags,
            policy: trust.policy,
            expires: expires(expiries.compactMap { $0 }) ?? trust.policy.expires,
            time: trust.time,
            authorities: authorities.userAuthorities.map {
                LoginFile.Authority(publicKey: $0.publicKey.line, expires: $0.expires)
            }
        )
        do throws(SystemError) {
            try paths.create()
            try Self.write(file.json.jsonBytes, to: paths.login)
        } catch {
            problems.append("\(error)")
        }
    }

    private func expires(_ moments: [UTCTime]) -> UTCTime? { moments.min() }

    /// Replaces a file that everybody may read, unless it is the same already.
    static func write(_ bytes: [UInt8], to path: String) throws(SystemError) {
        guard (try? BoundedFile.read(path, limit: LoginFile.byteLimit)) != bytes else { return }
        try AtomicFile.write(bytes, to: path, mode: 0o644)
    }
}
