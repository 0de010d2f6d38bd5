/// What may still come out of an archive.
struct ArchiveBudget {
    var bytes: Int64
    var entries: Int

    /// Reads an entry to its end, passing its pieces on.
    mutating func take(
        _ archive: ArchiveReader,
        _ entry: ArchiveEntry,
        limit: Int64,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(PackageError) {
        entries -= 1
        guard entries >= 0 else { throw PackageError(.tooLarge, "an archive holds too many files") }
        guard entry.length <= limit else {
            throw PackageError(.tooLarge, "\(entry.path) is longer than \(limit) bytes")
        }
        // Every header costs its block, so that a million empty files do not come for nothing.
        bytes -= 512 + (try archive.readMember(limit: limit, body))
        guard bytes >= 0 else { throw PackageError(.tooLarge, "an archive unpacks to more than is allowed") }
    }
}
