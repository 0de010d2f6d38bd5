/// How much a package may hold and become: more is an archive bomb until someone shows otherwise.
enum ArchiveLimits {
    /// Members of the outer archive: three, and a few signatures.
    static let members = 16
    /// Bytes of `control.tar` when unpacked.
    static let controlBytes: Int64 = 16 << 20
    /// Files of `control.tar`.
    static let controlEntries = 4096
    /// Files of `data.tar`.
    static let dataEntries = 1_000_000
    /// Files of a tarball: each is remembered while it is read.
    static let tarballEntries = 250_000
    /// Files of an rpm's payload.
    static let payloadEntries = 1_000_000
    /// Bytes of a path within an archive.
    static let pathBytes = 4096

    /// Bytes of a package's files when unpacked, for a package file of `length` bytes: 300 times as many, 64 MiB to 64 GiB.
    ///
    /// Real packages reach about 60 times with xz; zeros reach about 1000 with gzip, 6000 with xz.
    static func dataBytes(length: Int64) -> Int64 {
        min(max(length.multipliedReportingOverflow(by: 300).partialValue, 64 << 20), 64 << 30)
    }
}
