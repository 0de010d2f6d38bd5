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
        try charge(entry.path)
        guard entry.length <= limit else {
            throw PackageError(.tooLarge, "\(entry.path) is longer than \(limit) bytes")
        }
        bytes -= try archive.readMember(limit: limit, body)
        try check()
    }

    /// Counts an entry, or a folder that only the paths of others speak of.
    ///
    /// Each costs its block and its path, so that neither a million empty files nor what is remembered of long paths comes
    /// for nothing.
    mutating func charge(_ path: String) throws(PackageError) {
        entries -= 1
        bytes -= 512 + Int64(path.utf8.count)
        guard entries >= 0 else { throw PackageError(.tooLarge, "an archive holds too many files") }
        try check()
    }

    private func check() throws(PackageError) {
        guard bytes >= 0 else { throw PackageError(.tooLarge, "an archive unpacks to more than is allowed") }
    }
}
