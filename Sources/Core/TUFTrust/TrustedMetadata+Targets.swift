import CanonicalJSON
import TUF

extension TrustedMetadata {
    /// How a role's current targets metadata is to be fetched: its version, and how many bytes at most.
    public func targetsToFetch(_ role: String = "targets") throws(TUFTrustError) -> (version: Int64, limit: Int) {
        let file = try described(role)
        return (file.version, limits.length(file, within: limits.length(ofTargets: role)))
    }

    /// Takes top-level targets metadata: what the snapshot names, signed by the root's targets keys, not expired.
    public mutating func updateTargets(_ bytes: [UInt8]) throws(TUFTrustError) {
        let (keys, threshold) = root.roleKeys(.targets)
        try update(bytes, role: "targets", delegator: "root", keys: keys, threshold: threshold)
    }

    /// Takes a delegated role's targets metadata on the word of `delegator`, whose metadata must be trusted already.
    public mutating func updateDelegatedTargets(
        _ bytes: [UInt8],
        role: String,
        delegator: String
    ) throws(TUFTrustError) {
        let (keys, threshold) = try delegation(of: role, by: delegator)
        try update(bytes, role: role, delegator: delegator, keys: keys, threshold: threshold)
    }

    /// Whether a role's metadata is trusted on the word of `delegator`.
    ///
    /// Metadata that was loaded on another role's word is verified again under this delegator's keys: what A trusts B
    /// need not. False when it is not loaded, or not signed for this delegator.
    public mutating func isTrusted(_ role: String, delegator: String) throws(TUFTrustError) -> Bool {
        let name = TargetPath.percentEncoded(role)
        let delegatorName = TargetPath.percentEncoded(delegator)
        guard let trusted = roles[name] else { return false }
        if trusted.delegators.contains(delegatorName) { return true }
        let (keys, threshold) = try delegation(of: role, by: delegator)
        guard
            TUFSignatureThreshold.isMet(
                message: trusted.envelope.canonicalBytes,
                signatures: trusted.envelope.signatures,
                keys: keys,
                threshold: threshold
            )
        else { return false }
        roles[name]?.delegators.insert(delegatorName)
        return true
    }

    private mutating func update(
        _ bytes: [UInt8],
        role: String,
        delegator: String,
        keys: [String: TUFKey],
        threshold: Int
    ) throws(TUFTrustError) {
        let described = try described(role)
        guard Self.matches(bytes, described) else {
            throw TUFTrustError(.mixAndMatch, "\(role): length or hash is not what the snapshot names")
        }
        let limit = limits.length(described, within: limits.length(ofTargets: role))
        let envelope = try Self.envelope(bytes, role: role, type: "targets", limit: limit)
        try TUFSignatureThreshold.verify(envelope, keys: keys, threshold: threshold, what: "\(role) (for \(delegator))")
        let next = try Self.read(role, envelope) { envelope throws(JSONError) in try Targets(envelope) }
        guard next.version == described.version else {
            throw TUFTrustError(
                .mixAndMatch,
                "\(role): version \(next.version), the snapshot names \(described.version)"
            )
        }
        try checkExpiry("\(role) \(next.version)", next.expires)
        roles[TargetPath.percentEncoded(role)] = TrustedTargets(
            envelope: envelope,
            targets: next,
            delegators: [TargetPath.percentEncoded(delegator)]
        )
    }

    private func described(_ role: String) throws(TUFTrustError) -> MetaFile {
        guard let file = try currentSnapshot().role(role) else {
            throw TUFTrustError(.missingRole, "\(role): the snapshot does not know it")
        }
        return file
    }

    private func delegation(
        of role: String,
        by delegator: String
    ) throws(TUFTrustError) -> (keys: [String: TUFKey], threshold: Int) {
        guard let trusted = roles[TargetPath.percentEncoded(delegator)] else {
            throw TUFTrustError(.order, "\(role): its delegator \(delegator) is not loaded")
        }
        guard let keys = trusted.targets.delegations?.roleKeys(role) else {
            throw TUFTrustError(.missingRole, "\(role): \(delegator) does not delegate to it")
        }
        return keys
    }
}
