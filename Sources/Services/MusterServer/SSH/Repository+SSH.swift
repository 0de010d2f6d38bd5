import ByteCoding
import MusterAPI
import MusterModel
import MusterSigners
import MusterStore
import TUF
import TUFTrust

/// The SSH side of the repository: `ssh/revoked.krl`, which the service signs, and `ssh/trust.json`, which it only judges.
extension Repository {
    /// Publishes the newest KRL where that has not been done yet; many revocations at once share one publication.
    func publishRevocations(at time: UTCTime) async throws {
        try await turnstile.pass {
            guard let old = current, try await isRevocationDue(old, at: time) else { return }
            try await publish(old.metadata, after: old, added: [:], event: nil, at: time)
        }
    }

    func isRevocationDue(_ publication: Publication, at time: UTCTime) async throws -> Bool {
        // A service whose keys nobody names yet has nothing to sign.
        guard namesOurKeys(publication) else { return false }
        let wanted = try await revocations.version()
        return RevocationMetadata(publication.metadata[RevocationMetadata.role])?.isDue(
            wanted: wanted,
            lifetime: signing.lifetimes.snapshot,
            signer: keys.revocations.keyID,
            at: time
        ) ?? true
    }

    private func namesOurKeys(_ publication: Publication) -> Bool {
        let root = publication.trusted.root
        return root.roleKeys(.snapshot).keys.values.map(\.ed25519) == [keys.snapshot.publicKey]
            && root.roleKeys(.timestamp).keys.values.map(\.ed25519) == [keys.timestamp.publicKey]
            && publication.trusted.roleKeys(delegated: RevocationMetadata.role)?.keys.values.map(\.ed25519)
                == [keys.revocations.publicKey]
    }

    /// Signs revocations anew where that is due; the KRL's file where there is a new one.
    func renewRevocations(
        _ metadata: inout [String: [UInt8]],
        after old: [String: [UInt8]],
        at time: UTCTime
    ) async throws -> StoredFile? {
        let present = RevocationMetadata(old[RevocationMetadata.role])
        let wanted = try await revocations.version()
        let isDue = present?.isDue(
            wanted: wanted,
            lifetime: signing.lifetimes.snapshot,
            signer: keys.revocations.keyID,
            at: time
        )
        guard isDue ?? true else { return nil }
        let (version, list) = try await revocations.list()
        let file = try keep(list, RevocationMetadata.targetPath, at: time)
        metadata[RevocationMetadata.role] = try await signing.revocations(
            version: (present?.version ?? 0) + 1,
            list: list,
            listVersion: version,
            at: time
        )
        return file
    }

    /// The document before counts, whether or not its policy role is trusted at the moment.
    func checkTrustDocument(_ publication: Publication, after old: Publication) async throws {
        let before = try document(SSHTrust.targetPath, old.metadata)
        guard let trust = publication.sshTrust else {
            guard before.isEmpty else {
                throw Problem.conflict(
                    "policy: it would lose \(SSHTrust.targetPath), and with it every SSH login: name that target again"
                )
            }
            return
        }
        try await trustCheck?(before.isEmpty ? nil : try SSHTrust(parsing: before), trust)
    }
}
