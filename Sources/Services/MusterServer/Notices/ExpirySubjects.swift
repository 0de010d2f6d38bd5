import ByteCoding
import CanonicalJSON
import MusterIdentity
import MusterModel
import MusterPolicy
import MusterStore
import OpenSSHFormats
import TUF
import TUFTrust
import Tailnet

/// Everything of the fleet that expires, as far as it can be known at a moment.
struct ExpirySubjects: Sendable {
    let service: FleetService

    /// The subjects; what cannot be asked just now is left out, and nobody takes it for gone.
    func all() async -> [ExpirySubject] {
        let offline =
            service.repository.current.map { publication in
                Self.metadata(publication) + Self.operators(publication) + Self.authorities(publication)
            } ?? []
        return offline + nodeKeys + tailnetKeys
    }

    /// Nodes' own keys, of those that no operator exempted: the agents replace them long before.
    private var nodeKeys: [ExpirySubject] {
        service.nodes.all.filter { !$0.node.keyLife.isExempt }.map { entry in
            ExpirySubject(
                kind: .nodeKey,
                id: entry.node.id.text,
                name: entry.node.name,
                expires: entry.node.keyLife.expires,
                renewedSince: entry.node.keyLife.since
            )
        }
    }

    /// Keys of nodes on the tailnet as it last said, and this machine's own, without which nobody gets in.
    private var tailnetKeys: [ExpirySubject] {
        var subjects = service.nodes.all.compactMap { entry -> ExpirySubject? in
            guard let bound = entry.node.tailnet, let now = service.gate.lastSeen(bound.id),
                let expires = now.keyExpires
            else { return nil }
            return ExpirySubject(kind: .tailnetKey, id: entry.node.id.text, name: entry.node.name, expires: expires)
        }
        if let own = service.gate.ownIdentity, let expires = own.keyExpires {
            let name = own.name.isEmpty ? own.id : own.name
            subjects.append(
                ExpirySubject(kind: .tailnetKey, id: "musterd", name: "\(name) (musterd itself)", expires: expires)
            )
        }
        return subjects
    }

    /// What owners sign offline; snapshot and timestamp are the service's own business.
    private static func metadata(_ publication: Publication) -> [ExpirySubject] {
        ["root", "targets", "releases", "policy"].compactMap { role in
            guard var expires = publication.expiry(of: role) else { return nil }
            if role == "policy", let document = publication.policy?.expires { expires = min(expires, document) }
            return ExpirySubject(kind: .metadata, id: role, name: role, expires: expires)
        }
    }

    /// SSH CAs that sign or will: one that retires is meant to go.
    private static func authorities(_ publication: Publication) -> [ExpirySubject] {
        SSHAuthorityKind.allCases.flatMap { kind in
            (publication.sshTrust?.authorities(kind) ?? []).filter { $0.phase != .retiring }.map { authority in
                ExpirySubject(
                    kind: .sshAuthority,
                    id: authority.publicKey.fingerprint,
                    name: kind.rawValue,
                    expires: authority.expires
                )
            }
        }
    }

    private static func operators(_ publication: Publication) -> [ExpirySubject] {
        guard let operators = publication.policy?.operators else { return [] }
        return operators.flatMap { name, entry in
            entry.keys.map { key in
                ExpirySubject(
                    kind: .operatorKey,
                    id: key.publicKey.fingerprint,
                    name: name.text,
                    expires: key.expires
                )
            }
        }
    }
}

extension Publication {
    /// When the newest metadata of a role expires, trusted at the moment or not.
    func expiry(of role: String) -> UTCTime? {
        guard let bytes = metadata[role],
            let envelope = try? SignedEnvelope(parsing: bytes, limit: TUFLimits().targets)
        else { return nil }
        return envelope.signedNode["expires"]?.string.flatMap { UTCTime($0) }
    }
}
