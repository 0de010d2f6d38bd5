import CanonicalJSON
import TUF

extension TrustedMetadata {
    /// Takes timestamp metadata: signed, not older than the trusted one nor naming an older snapshot, not expired.
    ///
    /// A fetched timestamp of the trusted version changes nothing (section 5.4.3.1), whatever else it says.
    public mutating func updateTimestamp(
        _ bytes: [UInt8],
        from origin: Origin = .repository
    ) throws(TUFTrustError) -> Outcome {
        try checkRootExpiry()
        let envelope = try Self.envelope(bytes, role: "timestamp", type: "timestamp", limit: limits.timestamp)
        let (keys, threshold) = root.roleKeys(.timestamp)
        try TUFSignatureThreshold.verify(envelope, keys: keys, threshold: threshold, what: "timestamp")
        let next = try Self.read("timestamp", envelope) { envelope throws(JSONError) in try Timestamp(envelope) }
        if let trusted = timestamp {
            guard next.version >= trusted.version else {
                throw TUFTrustError(.rollback, "timestamp: version \(next.version), trusted is \(trusted.version)")
            }
            if next.version == trusted.version {
                try checkExpiry("timestamp \(trusted.version), of which there is no newer one", trusted.expires)
                return .unchanged
            }
            guard next.snapshot.version >= trusted.snapshot.version else {
                throw TUFTrustError(
                    .rollback,
                    "timestamp \(next.version): names snapshot \(next.snapshot.version), trusted is \(trusted.snapshot.version)"
                )
            }
        }
        if origin == .repository { try checkExpiry("timestamp \(next.version)", next.expires) }
        timestamp = next
        return next.expires > time ? .accepted : .outdated
    }

    /// The timestamp that snapshots are checked against.
    func currentTimestamp() throws(TUFTrustError) -> Timestamp {
        guard let timestamp else { throw TUFTrustError(.order, "snapshot: there is no trusted timestamp") }
        try checkExpiry("timestamp \(timestamp.version)", timestamp.expires)
        return timestamp
    }
}
