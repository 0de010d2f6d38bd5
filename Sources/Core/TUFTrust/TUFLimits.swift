import TUF

/// How much a repository may send and how far a client follows it.
public struct TUFLimits: Sendable {
    /// New roots taken in one refresh.
    public var rootRotations = 256
    /// Delegated roles asked for one file.
    public var delegations = 32
    /// Bytes of root metadata.
    public var root = 512_000
    /// Bytes of timestamp metadata.
    public var timestamp = 16_384
    /// Bytes of snapshot metadata.
    public var snapshot = 2_000_000
    /// Bytes of targets metadata: some 10,000 releases, and what a fleet service takes at most.
    public var targets = 5_000_000
    /// Bytes of targets metadata of single roles that need fewer, by name.
    public var roles: [String: Int] = [:]

    /// The limits of the TUF reference implementation.
    ///
    /// They hold whatever length is signed: that of snapshot metadata is named by the timestamp key and that of targets
    /// metadata by the snapshot key, which a service has online, and a small machine must be able to hold them parsed.
    public init() {}

    /// The limit for metadata that its parent describes: the length given, within `limit`.
    func length(_ file: MetaFile, within limit: Int) -> Int {
        min(file.length ?? limit, limit)
    }

    /// Most bytes of a role's targets metadata.
    func length(ofTargets role: String) -> Int { min(roles[role] ?? targets, targets) }
}
