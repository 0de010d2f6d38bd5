import CLibArchive
import DebianPackage
import MusterSystem

/// The archive format of deb(5), in the strict form that every tool of Debian writes.
///
/// ```
/// ar: debian-binary        "2.0\n"
///     control.tar.{gz,xz,zst}
///     data.tar[.{gz,xz,zst,bz2,lzma}]
///     _...                 signatures, ignored
/// ```
enum DebianArchive {
    /// The control paragraph of a package file; the whole file has been unpacked once when this returns.
    static func control(of file: OpenFile, length: Int64) throws(PackageError) -> ControlParagraph {
        do throws(PackageError) {
            let outer = try ArchiveReader(.file(file, from: 0)) { library, handle in
                ArchiveCompression.plain.enable(library, handle)
                _ = library.archive_read_support_format_ar(handle)
            }
            try readVersion(outer)
            let control = try readControl(outer)
            try readData(outer, limit: ArchiveLimits.dataBytes(length: length))
            try readRest(outer)
            return control
        } catch {
            throw PackageError(error.code, "\(file.path) is refused: \(error.message)")
        }
    }

    private static func readVersion(_ outer: ArchiveReader) throws(PackageError) {
        guard try nextMember(outer) == "debian-binary" else {
            throw PackageError(.malformed, "its first member is not debian-binary")
        }
        var text: [UInt8] = []
        _ = try outer.readMember(limit: 64) { text.append(contentsOf: $0) }
        guard text.elementsEqual("2.0\n".utf8) else { throw PackageError(.malformed, "debian-binary does not say 2.0") }
    }

    private static func readControl(_ outer: ArchiveReader) throws(PackageError) -> ControlParagraph {
        let inner = try tar(outer, name: try nextMember(outer), stem: "control.tar", allowed: [.gzip, .xz, .zstd])
        var bytes: [UInt8]?
        var budget = ArchiveBudget(bytes: ArchiveLimits.controlBytes, entries: ArchiveLimits.controlEntries)
        while let header = try inner.next() {
            let entry = try ArchiveEntry(header, of: inner)
            guard !entry.path.utf8.contains(UInt8(ascii: "/")), entry.isRegular || (entry.isFolder && entry.path == ".")
            else {
                throw PackageError(.malformed, "control.tar holds \(entry.path), which is not a plain file")
            }
            var content: [UInt8] = []
            let isControl = entry.path == "control"
            let limit = isControl ? Int64(ControlParagraph.byteLimit) : budget.bytes
            try budget.take(inner, entry, limit: limit) { if isControl { content.append(contentsOf: $0) } }
            guard isControl else { continue }
            guard bytes == nil else { throw PackageError(.malformed, "control.tar holds the control file twice") }
            bytes = content
        }
        guard let bytes else { throw PackageError(.malformed, "control.tar holds no control file") }
        do throws(DebianPackageError) {
            return try ControlParagraph(parsing: bytes)
        } catch {
            throw PackageError(.malformed, "its control file: \(error)")
        }
    }

    private static func readData(_ outer: ArchiveReader, limit: Int64) throws(PackageError) {
        let allowed: Set<ArchiveCompression> = [.plain, .gzip, .xz, .zstd, .bzip2, .lzma]
        let inner = try tar(outer, name: try nextMember(outer), stem: "data.tar", allowed: allowed)
        var budget = ArchiveBudget(bytes: limit, entries: ArchiveLimits.dataEntries)
        while let header = try inner.next() {
            let entry = try ArchiveEntry(header, of: inner)
            try budget.take(inner, entry, limit: budget.bytes) { _ in }
        }
    }

    private static func readRest(_ outer: ArchiveReader) throws(PackageError) {
        var count = 3
        while let name = try nextMember(outer) {
            count += 1
            guard name.hasPrefix("_"), count <= ArchiveLimits.members else {
                throw PackageError(.malformed, "it holds a further member \(name.prefix(80).debugDescription)")
            }
        }
    }

    private static func nextMember(_ outer: ArchiveReader) throws(PackageError) -> String? {
        guard let entry = try outer.next() else { return nil }
        guard let name = outer.functions.archive_entry_pathname(entry) else {
            throw PackageError(.malformed, "a member has no name")
        }
        return String(cString: name)
    }

    /// What the ending of a member's name says of its compression.
    private static let compressions: [String: ArchiveCompression] = [
        "": .plain, "gz": .gzip, "xz": .xz, "zst": .zstd, "bz2": .bzip2, "lzma": .lzma,
    ]

    private static func tar(
        _ outer: ArchiveReader,
        name: String?,
        stem: String,
        allowed: Set<ArchiveCompression>
    ) throws(PackageError) -> ArchiveReader {
        guard let name else { throw PackageError(.malformed, "it ends before its member \(stem)") }
        let suffix = name == stem ? "" : name.hasPrefix(stem + ".") ? String(name.dropFirst(stem.count + 1)) : nil
        guard let compression = suffix.flatMap({ compressions[$0] }), allowed.contains(compression) else {
            throw PackageError(.malformed, "it holds \(name.prefix(80).debugDescription) where \(stem) must be")
        }
        return try ArchiveReader(.member(outer)) { library, handle in
            compression.enable(library, handle)
            _ = library.archive_read_support_format_tar(handle)
            // The end of the tar is not the end of the compressed stream, where xz and zstd keep their checksums: reading on
            // to that end has them compared.
            _ = library.archive_read_set_format_option(handle, "tar", "read_concatenated_archives", "1")
        }
    }
}
