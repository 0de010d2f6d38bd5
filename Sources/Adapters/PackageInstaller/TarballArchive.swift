import CLibArchive
import MusterSystem
import VersionedTarball

/// What is done with the entries of a tarball; paths are below its one folder, `` is that folder itself.
protocol TarballSink: AnyObject {
    /// A folder with these permission bits; nil for one that no entry describes.
    func folder(_ path: String, permissions: UInt32?) throws(PackageError)
    /// The beginning of a regular file.
    func begin(_ path: String, permissions: UInt32) throws(PackageError)
    /// A piece of the file that was begun.
    func piece(_ bytes: UnsafeRawBufferPointer)
    /// The end of the file that was begun.
    func end() throws(PackageError)
    /// A symbolic link that stays within the folder.
    func link(_ path: String, to target: String) throws(PackageError)
    /// Another name for a file that was ended.
    func hardLink(_ path: String, to other: String) throws(PackageError)
}

/// A tarball, walked from its beginning to its end: every rule is checked here, be it unpacked or only inspected.
///
/// All entries lie below one folder. There are regular files, folders, hard links to files that came before, and symbolic
/// links, and nothing else; nothing runs as another user; no path occurs twice or leads through a link; no link leads out.
struct TarballArchive {
    private enum Kind {
        case folder
        case impliedFolder
        case file
        case link
    }

    /// By path, as bytes: two names that Swift takes for the same text are two files.
    private var kinds: [[UInt8]: Kind] = [:]
    private var top: String?
    private var budget: ArchiveBudget

    /// Walks through a file of `length` bytes, handing all that is in it to the sink.
    static func walk(
        _ file: OpenFile,
        length: Int64,
        into sink: (any TarballSink)?
    ) throws(PackageError) -> TarballIdentity {
        do throws(PackageError) {
            let limit = ArchiveLimits.dataBytes(length: length)
            var archive = TarballArchive(budget: ArchiveBudget(bytes: limit, entries: ArchiveLimits.tarballEntries))
            return try archive.walk(file, into: sink)
        } catch {
            throw PackageError(error.code, "\(file.path) is refused: \(error.message)")
        }
    }

    private init(budget: ArchiveBudget) {
        self.budget = budget
    }

    private mutating func walk(_ file: OpenFile, into sink: (any TarballSink)?) throws(PackageError) -> TarballIdentity
    {
        let reader = try ArchiveReader(.file(file, from: 0)) { library, handle in
            for compression in [ArchiveCompression.gzip, .xz, .zstd, .bzip2] { compression.enable(library, handle) }
            _ = library.archive_read_support_format_tar(handle)
            _ = library.archive_read_set_format_option(handle, "tar", "read_concatenated_archives", "1")
        }
        while let header = try reader.next() {
            try take(try ArchiveEntry(header, of: reader), reader, sink)
        }
        guard let top else { throw PackageError(.malformed, "the archive is empty") }
        guard let identity = TarballIdentity(folder: top) else {
            throw PackageError(
                .malformed,
                "its folder is named \(top.prefix(80).debugDescription), where NAME-VERSION or "
                    + "NAME-VERSION.linux-ARCHITECTURE is needed"
            )
        }
        return identity
    }

    private mutating func take(
        _ entry: ArchiveEntry,
        _ reader: ArchiveReader,
        _ sink: (any TarballSink)?
    ) throws(PackageError) {
        guard entry.isText else {
            throw PackageError(.malformed, "\(entry.path.debugDescription), or what it links to, is not named in UTF-8")
        }
        if entry.path == "." {
            guard entry.isFolder else { throw PackageError(.malformed, "its root is no folder") }
            return
        }
        guard entry.permissions & 0o7000 == 0 || entry.isFolder else {
            throw PackageError(.malformed, "\(entry.path) would run as another user (setuid, setgid or sticky)")
        }
        let path = try below(entry.path)
        try checkPlace(path, entry, sink)
        switch entry.kind {
        case .folder:
            try budget.take(reader, entry, limit: 0) { _ in }
            kinds[Array(path.utf8)] = .folder
            try sink?.folder(path, permissions: entry.permissions & 0o777)
        case .regular:
            kinds[Array(path.utf8)] = .file
            try sink?.begin(path, permissions: entry.permissions & 0o777)
            try budget.take(reader, entry, limit: budget.bytes) { sink?.piece($0) }
            try sink?.end()
        case .hardLink(let target):
            let other = try below(target)
            guard kinds[Array(other.utf8)] == .file else {
                throw PackageError(.malformed, "\(entry.path) is a hard link to what is no file before it")
            }
            try budget.take(reader, entry, limit: 0) { _ in }
            kinds[Array(path.utf8)] = .file
            try sink?.hardLink(path, to: other)
        case .symbolicLink(let target):
            try budget.take(reader, entry, limit: 0) { _ in }
            kinds[Array(path.utf8)] = .link
            // Checked where nothing is unpacked too.
            let checked = try Self.checkedLink(target, at: path)
            try sink?.link(path, to: checked)
        case .other: throw PackageError(.malformed, "\(entry.path) is a device, a pipe or a socket")
        }
    }

    /// The path below the one folder.
    ///
    /// Everywhere here a path is taken apart by its bytes, as the kernel does it. Swift's characters are no measure: a slash
    /// beside a combining character is none of them.
    private mutating func below(_ path: String) throws(PackageError) -> String {
        let parts = path.utf8.split(separator: Self.slash, maxSplits: 1).map { String($0) ?? "" }
        let first = parts.first ?? ""
        let top = top ?? first
        self.top = top
        guard first.utf8.elementsEqual(top.utf8) else {
            throw PackageError(
                .malformed,
                "it holds \(first.prefix(80).debugDescription) beside \(top.prefix(80).debugDescription): "
                    + "everything must be below one folder"
            )
        }
        return parts.count > 1 ? parts[1] : ""
    }

    /// Refuses a path that was there, or is below something that is no folder; makes the folders that no entry describes.
    private mutating func checkPlace(
        _ path: String,
        _ entry: ArchiveEntry,
        _ sink: (any TarballSink)?
    ) throws(PackageError) {
        switch kinds[Array(path.utf8)] {
        case nil: break
        case .impliedFolder where entry.isFolder: return
        default: throw PackageError(.malformed, "\(entry.path) occurs twice")
        }
        if path.isEmpty {
            guard entry.isFolder else { throw PackageError(.malformed, "\(entry.path) is not a folder") }
            return
        }
        var missing: [String] = []
        var parent = Self.parent(of: path)
        while let folder = parent {
            if let kind = kinds[Array(folder.utf8)] {
                guard kind == .folder || kind == .impliedFolder else {
                    throw PackageError(.malformed, "\(entry.path) leads through something that is no folder")
                }
                break
            }
            missing.append(folder)
            parent = Self.parent(of: folder)
        }
        for folder in missing.reversed() {
            try budget.charge(folder)
            kinds[Array(folder.utf8)] = .impliedFolder
            try sink?.folder(folder, permissions: nil)
        }
    }

    /// The path of the folder around it; nil for the one folder.
    private static func parent(of path: String) -> String? {
        if path.isEmpty { return nil }
        guard let slash = path.utf8.lastIndex(of: slash) else { return "" }
        return String(path.utf8[..<slash])
    }

    private static let slash = UInt8(ascii: "/")

    /// The target of a symbolic link: relative, `..` only in front, and no further up than the one folder.
    ///
    /// `..` behind a name could lead anywhere, since the name may be a link itself. In front each goes up one true folder.
    static func checkedLink(_ target: [UInt8], at path: String) throws(PackageError) -> String {
        func refused(_ reason: String) -> PackageError {
            PackageError(.malformed, "the link \(path.prefix(200).debugDescription) \(reason)")
        }
        guard !target.isEmpty, target.count <= ArchiveLimits.pathBytes,
            let text = String(validating: target, as: UTF8.self), !target.contains(0)
        else { throw refused("has no readable target") }
        guard target.first != slash else { throw refused("is absolute") }
        var depth = path.utf8.split(separator: slash).count - 1
        var isInFront = true
        for part in target.split(separator: slash) where !part.elementsEqual(".".utf8) {
            if part.elementsEqual("..".utf8) {
                depth -= 1
                guard isInFront, depth >= 0 else { throw refused("leads elsewhere") }
            } else {
                isInFront = false
            }
        }
        return text
    }
}
