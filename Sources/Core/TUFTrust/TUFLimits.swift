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
    /// Bytes of snapshot metadata, where the timestamp names no length.
    public var snapshot = 2_000_000
    /// Bytes of targets metadata, where the snapshot names no length.
    public var targets = 5_000_000

    /// Bytes of any metadata, even where a signed length says more.
    public var ceiling = 50_000_000

    /// The limits of the TUF reference implementation.
    public init() {}

    /// The limit for metadata that its parent describes: the length given, within reason, else the default.
    func length(_ file: MetaFile, default limit: Int) -> Int {
        file.length.map { min($0, ceiling) } ?? limit
    }
}
