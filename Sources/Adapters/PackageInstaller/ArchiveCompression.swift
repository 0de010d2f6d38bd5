import CLibArchive

/// How an archive is compressed: libarchive is told, so that no other decoder ever sees its bytes.
enum ArchiveCompression {
    case plain, gzip, xz, zstd, bzip2, lzma

    /// Lets a reader that was not opened yet take this compression, besides those that it takes already.
    func enable(_ library: clibarchive, _ handle: OpaquePointer) {
        switch self {
        case .plain: _ = library.archive_read_support_filter_none(handle)
        case .gzip: _ = library.archive_read_support_filter_gzip(handle)
        case .xz: _ = library.archive_read_support_filter_xz(handle)
        case .zstd: _ = library.archive_read_support_filter_zstd(handle)
        case .bzip2: _ = library.archive_read_support_filter_bzip2(handle)
        case .lzma: _ = library.archive_read_support_filter_lzma(handle)
        }
    }
}
