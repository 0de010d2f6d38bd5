import CLibArchive

/// libarchive while it is loaded: from the first archive that is read to the last that is let go.
///
/// An agent waits nearly always; without libarchive and the fifteen libraries behind it that takes 2 MB less.
final class ArchiveLibrary {
    private let loaded: UnsafeMutablePointer<clibarchive>

    /// libarchive's functions, each under its own name.
    var functions: clibarchive { loaded.pointee }

    init() throws(PackageError) {
        loaded = .allocate(capacity: 1)
        if let reason = clibarchive_load(loaded) {
            let reason = String(cString: reason)
            loaded.deallocate()
            throw PackageError(
                .unavailable,
                "cannot load libarchive, which unpacks packages: \(reason); install libarchive13"
            )
        }
    }

    deinit {
        clibarchive_unload(loaded)
        loaded.deallocate()
    }
}
