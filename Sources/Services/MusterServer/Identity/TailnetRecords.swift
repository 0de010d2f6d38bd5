import ByteCoding
import MusterAPI
import MusterStore
import Tailnet

extension TailnetRecord {
    /// Somebody as the tailnet says.
    init(_ identity: TailnetIdentity) {
        self.init(
            id: identity.id,
            name: identity.name,
            addresses: identity.addresses,
            tags: identity.tags,
            login: identity.login,
            key: identity.key,
            keyExpires: identity.keyExpires,
            lastHandshake: identity.lastHandshake,
            lastSeen: identity.lastSeen,
            isOnline: identity.isOnline
        )
    }
}

extension FleetService {
    /// Who a node is on the tailnet: what the register remembers, with what the tailnet last said; nil without a tailnet.
    func tailnetRecord(_ binding: TailnetBinding?) -> TailnetRecord? {
        guard let binding, !binding.id.hasPrefix("address:") else { return nil }
        let now = gate.lastSeen(binding.id)
        let hasSameKey = now?.key == binding.key
        return TailnetRecord(
            id: binding.id,
            name: now?.name ?? binding.name,
            addresses: now?.addresses ?? [],
            tags: now?.tags ?? [],
            login: now?.login,
            key: binding.key,
            keyExpires: hasSameKey ? now?.keyExpires : nil,
            keySince: binding.keySince,
            lastHandshake: now?.lastHandshake,
            lastSeen: now?.lastSeen,
            isOnline: now?.isOnline
        )
    }
}

extension TailnetBinding {
    /// What the register remembers of a caller.
    init(_ identity: TailnetIdentity, at time: UTCTime) {
        self.init(
            id: identity.id,
            key: identity.key,
            name: identity.name,
            keySince: identity.key.isEmpty ? nil : time
        )
    }
}
