import CLibArchive
import Glibc

/// What one header of a tar archive says.
struct ArchiveEntry {
    /// What an entry can be.
    enum Kind: Equatable {
        case regular
        case folder
        /// Another name of the file at this path, which is checked like any other.
        case hardLink(String)
        /// The text is what the archive says, unchecked.
        case symbolicLink([UInt8])
        /// A device, a pipe, a socket, or something unheard of.
        case other
    }

    /// The path, checked: relative, no `..`, no empty part; `.` for the root entry.
    let path: String
    /// What it is.
    let kind: Kind
    /// Its permission bits, those for special users among them.
    let permissions: UInt32
    /// Its length as the header states it.
    let length: Int64
    /// Whether it is named in UTF-8, and a hard link's target is; else `path` is not the name that the archive says.
    let isText: Bool

    /// Whether it is a regular file.
    var isRegular: Bool { kind == .regular }
    /// Whether it is a folder.
    var isFolder: Bool { kind == .folder }

    /// Reads a header; refuses paths, of the entry and of a hard link's target, that lead out of the root.
    init(_ entry: OpaquePointer, of archive: ArchiveReader) throws(PackageError) {
        let functions = archive.functions
        let name = Self.text(functions.archive_entry_pathname_utf8(entry), functions.archive_entry_pathname(entry))
        path = try Self.checked(name)
        let link = functions.archive_entry_hardlink_utf8(entry) ?? functions.archive_entry_hardlink(entry)
        isText = [name, Self.text(link, nil)].allSatisfy { String(validating: $0, as: UTF8.self) != nil }
        permissions = UInt32(functions.archive_entry_perm(entry))
        kind =
            if link != nil {
                .hardLink(try Self.checked(Self.text(link, nil)))
            } else {
                switch functions.archive_entry_filetype(entry) {
                case S_IFREG: .regular
                case S_IFDIR: .folder
                case S_IFLNK:
                    .symbolicLink(
                        Self.text(
                            functions.archive_entry_symlink_utf8(entry),
                            functions.archive_entry_symlink(entry)
                        )
                    )
                default: .other
                }
            }
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
