/// Fetches metadata of one repository.
public protocol TUFFetcher: Sendable {
    /// The bytes at `path`, which is percent-encoded and relative to the repository's metadata; nil where the repository
    /// says that there is no such file (404, 403).
    ///
    /// Gives up as soon as there are more than `limit` bytes, or when they come too slowly.
    func fetch(_ path: String, limit: Int) async throws(TUFClientError) -> [UInt8]?
}

/// Fetches target files of one repository.
public protocol TUFTargetSource: Sendable {
    /// Hands the file at `path`, percent-encoded and relative to the repository's targets, to `receive`, piece by piece.
    ///
    /// An error of `receive` ends the transfer and is thrown on. Gives up behind `limit` bytes, or when they come too
    /// slowly. A file that does not exist is an error.
    func stream(
        _ path: String,
        limit: Int64,
        receive: (UnsafeRawBufferPointer) throws(TUFClientError) -> Void
    ) async throws(TUFClientError)
}
