import MusterModel

/// Where package files come from.
///
/// Nothing it says is believed: the caller bounds, times and hashes what comes.
public protocol PackageSource: Sendable {
    /// Sends the bytes of a file from `offset` on, piece by piece.
    ///
    /// Calls `start` once before the first piece with the offset at which the bytes really begin: `offset`, or 0 where
    /// the source cannot resume. Throws what the closures throw; `unreachable` or `missing` for failures of its own.
    func read(
        _ target: UpgradeBody.Target,
        from offset: Int64,
        start: (Int64) throws(DownloadError) -> Void,
        receive: ([UInt8]) throws(DownloadError) -> Void
    ) async throws(DownloadError)
}
