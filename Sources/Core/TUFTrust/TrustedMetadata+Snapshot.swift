import CanonicalJSON
import TUF

extension TrustedMetadata {
    /// How the current snapshot is to be fetched: its version, and how many bytes at most.
    public func snapshotToFetch() throws(TUFTrustError) -> (version: Int64, limit: Int) {
        let file = try currentTimestamp().snapshot
        return (file.version, limits.length(file, within: limits.snapshot))
    }

    /// Takes snapshot metadata: what the timestamp names, signed, no role in it older than trusted or gone, not expired.
    ///
    /// A stored snapshot that is no longer the current one is kept for comparing versions with, and is `outdated`.
    public mutating func updateSnapshot(
        _ bytes: [UInt8],
        from origin: Origin = .repository
    ) throws(TUFTrustError) -> Outcome {
        let named = try currentTimestamp().snapshot
        let limit = origin == .cache ? limits.snapshot : limits.length(named, within: limits.snapshot)
        let isNamed = Self.matches(bytes, named)
        if origin == .repository, !isNamed {
            throw TUFTrustError(.mixAndMatch, "snapshot: length or hash is not what the timestamp names")
        }
        let envelope = try Self.envelope(bytes, role: "snapshot", type: "snapshot", limit: limit)
        let (keys, threshold) = root.roleKeys(.snapshot)
        try TUFSignatureThreshold.verify(envelope, keys: keys, threshold: threshold, what: "snapshot")
        let next = try Self.read("snapshot", envelope) { envelope throws(JSONError) in try Snapshot(envelope) }
        try checkRollback(to: next)
        if origin == .repository {
            guard next.version == named.version else {
                throw TUFTrustError(
                    .mixAndMatch,
                    "snapshot: version \(next.version), the timestamp names \(named.version)"
                )
            }
            try checkExpiry("snapshot \(next.version)", next.expires)
        }
        snapshot = next
        return isNamed && next.version == named.version && next.expires > time ? .accepted : .outdated
    }

    /// No role may go back, and none may vanish (section 5.5.5).
    private func checkRollback(to next: Snapshot) throws(TUFTrustError) {
        for (fileName, trusted) in snapshot?.meta ?? [] {
            guard let file = next.file(fileName) else {
                throw TUFTrustError(.missingRole, "snapshot \(next.version): \(fileName) is gone")
            }
            guard file.version >= trusted.version else {
                throw TUFTrustError(
                    .rollback,
                    "snapshot \(next.version): \(fileName) has version \(file.version), trusted is \(trusted.version)"
                )
            }
        }
    }

    /// Whether bytes have the length and hashes that are named for them.
    static func matches(_ bytes: [UInt8], _ file: MetaFile) -> Bool {
        (file.length.map { $0 == bytes.count } ?? true) && (file.hashes?.match(bytes) ?? true)
    }

    /// The snapshot that targets metadata is checked against.
    func currentSnapshot() throws(TUFTrustError) -> Snapshot {
        let named = try currentTimestamp().snapshot
        guard let snapshot else { throw TUFTrustError(.order, "targets: there is no trusted snapshot") }
        guard snapshot.version == named.version else {
            throw TUFTrustError(
                .mixAndMatch,
                "snapshot: version \(snapshot.version), the timestamp names \(named.version)"
            )
        }
        try checkExpiry("snapshot \(snapshot.version)", snapshot.expires)
        return snapshot
    }
}
