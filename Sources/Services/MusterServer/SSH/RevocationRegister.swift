import ByteCoding
import MusterCA
import MusterStore
import OpenSSHFormats

/// The KRL as the register has it: the same version always makes the same bytes.
struct RevocationRegister: Sendable {
    let store: Store

    /// The version of the newest KRL; 1, which is empty, before anything was revoked.
    func version() async throws -> Int64 {
        try await store.read { try $0.revocationVersion() }
    }

    /// The newest KRL.
    ///
    /// Certificates that were long over when it was made are not in it: ranges of serials are short, but many.
    func list() async throws -> (version: Int64, bytes: [UInt8]) {
        let (version, made, serials, others) = try await store.read { transaction in
            let made = try transaction.revocations(limit: 1).first?.time ?? UTCTime(milliseconds: 0)
            return (
                try transaction.revocationVersion(), made,
                try transaction.revokedSerials(goodAfter: made.adding(seconds: -SSHRevocations.grace)),
                try transaction.revokedOthers()
            )
        }
        var revocations = SSHRevocations()
        var byAuthority: [[UInt8]: [UInt64]] = [:]
        for (serial, authority) in serials { byAuthority[authority, default: []].append(UInt64(serial)) }
        for other in others where other.kind == .serial {
            if let serial = UInt64(other.value) { byAuthority[other.authority, default: []].append(serial) }
        }
        for (authority, serials) in byAuthority {
            let key = try SSHPublicKey(ed25519: authority)
            revocations.certificates[key, default: SSHRevocations.Certificates()].serials = SerialSet(serials: serials)
        }
        for other in others {
            switch other.kind {
            case .serial: break
            case .keyID:
                let key = try SSHPublicKey(ed25519: other.authority)
                revocations.certificates[key, default: SSHRevocations.Certificates()].keyIDs
                    .insert(Array(other.value.utf8))
            case .key: revocations.keys.insert(try SSHPublicKey(line: other.value))
            }
        }
        let list = try revocations.list(version: UInt64(version), date: made, comment: "muster")
        return (version, list.bytes)
    }
}
