import CLibArchive
import Glibc

/// What one header of a tar archive says.
struct ArchiveEntry {
    /// The path, checked: relative, no `..`, no empty part; `.` for the root entry.
    let path: String
    /// Whether it is a regular file.
    let isRegular: Bool
    /// Whether it is a folder.
    let isFolder: Bool
    /// Its length as the header states it.
    let length: Int64

    /// Reads a header; refuses paths, of the entry and of a hard link's target, that lead out of the root.
    init(_ entry: OpaquePointer, of archive: ArchiveReader) throws(PackageError) {
        let functions = archive.functions
        path = try Self.checked(
            Self.text(functions.archive_entry_pathname_utf8(entry), functions.archive_entry_pathname(entry))
        )
        let link = functions.archive_entry_hardlink_utf8(entry) ?? functions.archive_entry_hardlink(entry)
        if link != nil { _ = try Self.checked(Self.text(link, nil)) }
        let kind = functions.archive_entry_filetype(entry)
        isRegular = kind == S_IFREG && link == nil
        isFolder = kind == S_IFDIR
        length = functions.archive_entry_size(entry)
    }

    private static func text(_ first: UnsafePointer<CChar>?, _ second: UnsafePointer<CChar>?) -> [UInt8] {
        guard let pointer = first ?? second else { return [] }
        return Array(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
    }

    /// The path without `./` in front and `/` behind.
    static func checked(_ bytes: [UInt8]) throws(PackageError) -> String {
        func refused(_ reason: String) -> PackageError {
            let shown = String(decoding: bytes.prefix(200), as: UTF8.self).debugDescription
            return PackageError(.malformed, "the archive's path \(shown) \(reason)")
        }
        guard !bytes.isEmpty else { throw refused("is empty or has no known encoding") }
        guard bytes.count <= ArchiveLimits.pathBytes else {
            throw refused("is longer than \(ArchiveLimits.pathBytes) bytes")
        }
        guard bytes.first != UInt8(ascii: "/") else { throw refused("is absolute") }
        var parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if parts.first?.elementsEqual(".".utf8) == true, parts.count > 1 { parts.removeFirst() }
        if parts.last?.isEmpty == true { parts.removeLast() }
        for part in parts where part.isEmpty || part.elementsEqual("..".utf8) { throw refused("leads elsewhere") }
        guard parts.count <= 1 || !parts.contains(where: { $0.elementsEqual(".".utf8) }) else {
            throw refused("leads elsewhere")
        }
        return parts.isEmpty ? "." : String(decoding: Array(parts.joined(separator: "/".utf8)), as: UTF8.self)
    }
}
