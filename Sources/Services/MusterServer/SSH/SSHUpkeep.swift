import ByteCoding
import Logging
import MusterModel
import MusterStore
import OpenSSHFormats

/// What the SSH side does by itself: follow what becomes of nodes, settle keys after a rotation, wake nodes.
struct SSHUpkeep: Sendable {
    let service: FleetService

    /// Revokes what hung on nodes that left, or whose keys changed.
    func follow(at time: UTCTime) async throws {
        guard try await service.ssh.follower.follow(at: time) else { return }
        try await service.repository.publishRevocations(at: time)
    }

    /// Forgets the bytes of certificates that are over.
    func forget(at time: UTCTime) async throws {
        try await service.store.write { try $0.forgetCertificates(overBefore: time) }
    }

    /// Nodes that wait for work learn at once that there is a new policy, other CAs or a new list of revocations.
    fileprivate func published(_ new: Publication, after old: Publication?) {
        settle(new.sshTrust, after: old?.sshTrust)
        guard let old else { return }
        for role in ["policy", RevocationMetadata.role] where old.metadata[role] != new.metadata[role] {
            return service.manifests.interrupt(service.nodes.ids)
        }
    }

    private func settle(_ new: SSHTrust?, after old: SSHTrust?) {
        guard let new else { return }
        func keys(_ trust: SSHTrust?, _ kind: SSHAuthorityKind) -> Set<[UInt8]> {
            let authorities = trust?.authorities(kind) ?? []
            return Set(
                authorities.compactMap { authority in
                    guard case .ed25519(let bytes) = authority.publicKey.material else { return nil }
                    return bytes
                }
            )
        }
        for kind in SSHAuthorityKind.allCases {
            do {
                try service.keys.authorities.settle(kind, before: keys(old, kind), now: keys(new, kind))
            } catch {
                service.log.error("the keys of the \(kind.rawValue) CA: \(error)")
            }
        }
    }
}

extension FleetService {
    /// Has the SSH side judge new documents, and hear of publications.
    func attachSSH() async {
        await repository.attach(
            trustCheck: { [weak self] old, new in
                guard let self else { return }
                try await RotationCalls(service: self).check(old, new, at: options.clock())
            },
            listener: { [weak self] old, new in
                guard let self else { return }
                SSHUpkeep(service: self).published(new, after: old)
            }
        )
    }
}
