import CanonicalJSON
import TUF

extension TrustedMetadata {
    /// Takes the next root: exactly one version higher, signed by the old root's threshold and by its own.
    ///
    /// Its expiry is not checked here: an expired root in the middle of the chain still leads to the next.
    public mutating func updateRoot(_ bytes: [UInt8]) throws(TUFTrustError) {
        guard timestamp == nil else {
            throw TUFTrustError(.order, "root: cannot change after the timestamp was loaded")
        }
        let envelope = try Self.envelope(bytes, role: "root", type: "root", limit: limits.root)
        let next = try Self.read("root", envelope) { envelope throws(JSONError) in try Root(envelope) }
        let old = root.roleKeys(.root)
        try TUFSignatureThreshold.verify(
            envelope,
            keys: old.keys,
            threshold: old.threshold,
            what: "root \(next.version), by the keys of the old root"
        )
        let new = next.roleKeys(.root)
        try TUFSignatureThreshold.verify(
            envelope,
            keys: new.keys,
            threshold: new.threshold,
            what: "root \(next.version), by its own keys"
        )
        guard root.version < .max, next.version == root.version + 1 else {
            throw TUFTrustError(
                next.version <= root.version ? .rollback : .mixAndMatch,
                "root: version \(next.version) where \(root.version) + 1 was asked for"
            )
        }
        for role in [Root.Role.timestamp, .snapshot] {
            let kept = Set(next.roleKeys(role).keys.values)
            if !Set(root.roleKeys(role).keys.values).isSubset(of: kept) { freshnessKeysRotated = true }
        }
        root = next
    }

    /// Refuses a root that has expired; called once no newer root is to be had.
    public func checkRootExpiry() throws(TUFTrustError) {
        try checkExpiry("root \(root.version)", root.expires)
    }
}
