import ByteCoding
import Glibc
import MusterSystem
import VersionedTarball

/// The folder of one tarball package.
struct TarballPlace: Sendable {
    /// The folder itself, such as `/opt/prometheus`.
    let path: String

    private var versions: String { path + "/versions" }
    private var link: String { path + "/current" }
    private var new: String { versions + "/.new" }
    private var old: String { versions + "/.old" }

    /// The place at a path.
    init(_ path: String) {
        self.path = path
    }

    /// Whether there is anything.
    var exists: Bool { Directory.exists(path) }

    /// The name of a version's folder.
    static func name(_ version: String, _ sha256: [UInt8]) -> String {
        "\(version)-\(Hex.encode(Array(sha256.prefix(8))))"
    }

    /// The name of the folder that is in use; nil where none is.
    var current: String? {
        var buffer = [CChar](repeating: 0, count: 512)
        let count = readlink(link, &buffer, buffer.count)
        guard count > 0, count < buffer.count else { return nil }
        let target = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard target.hasPrefix("versions/") else { return nil }
        let name = String(target.dropFirst("versions/".count))
        return Self.version(of: name) == nil ? nil : name
    }

    /// What is in use.
    func state() throws(PackageError) -> PackageState {
        guard Directory.exists(link) else { return .absent }
        guard let current, let version = Self.version(of: current) else {
            return .partial(version: "", status: "not what \(link) means")
        }
        guard isFolder(versions + "/" + current) else {
            return .partial(version: version, status: "without its folder")
        }
        return .installed(version: version)
    }

    func create() throws(PackageError) {
        try system { () throws(SystemError) in try Directory.create(versions, mode: 0o755) }
        for folder in [path, versions] where !isFolder(folder) {
            throw PackageError(.failed, "\(folder) is a link: nothing is unpacked through it")
        }
    }

    func lock() throws(PackageError) -> FileLock {
        let lock = try system { () throws(SystemError) in try FileLock.tryAcquire(versions + "/.lock") }
        guard let lock else { throw PackageError(.locked, "another process changes \(path)") }
        return lock
    }

    /// Unpacks a file into the folder that nothing refers to.
    func unpack(_ file: OpenFile, length: Int64) throws(PackageError) {
        let tree = TarballTree(new)
        _ = try TarballArchive.walk(file, length: length, into: tree)
        try tree.finish()
    }

    /// Gives the unpacked folder its name; one of that name, which may be damaged, is swapped out.
    func put(_ name: String) throws(PackageError) {
        let place = versions + "/" + name
        try system { () throws(SystemError) in
            if Directory.exists(place) {
                try Directory.exchange(new, place)
            } else {
                try AtomicFile.rename(new, to: place)
            }
        }
    }

    /// Makes a version the one in use.
    func use(_ name: String) throws(PackageError) {
        if Directory.exists(link), !isLink(link) {
            throw PackageError(.failed, "\(link) is no symbolic link: move it away, it is not muster's")
        }
        try system { () throws(SystemError) in try AtomicFile.pointLink(link, to: "versions/" + name) }
    }

    /// The newest other version that is there.
    func previous(than name: String) -> String? {
        names.filter { $0 != name }.max { left, right in
            guard let one = Self.version(of: left).flatMap(TarballVersion.init),
                let two = Self.version(of: right).flatMap(TarballVersion.init)
            else { return left < right }
            return one < two
        }
    }

    /// Removes every version but these.
    ///
    /// What cannot be removed costs only room, and is tried again the next time.
    func prune(keeping kept: [String?]) {
        for name in names where !kept.contains(name) {
            discard()
            guard rename(versions + "/" + name, old) == 0 else { continue }
        }
        discard()
    }

    /// Removes what was being unpacked or removed.
    func discard() {
        for folder in [new, old] {
            try? Directory.removeTree(folder)
        }
        for name in (try? Directory.entries(path)) ?? [] where name.hasPrefix(".current.") { unlink(path + "/" + name) }
    }

    func remove() throws(PackageError) {
        try system { () throws(SystemError) in
            if isLink(link) { try AtomicFile.remove(link) }
            for name in names {
                try Directory.removeTree(old)
                try AtomicFile.rename(versions + "/" + name, to: old)
            }
            try Directory.removeTree(old)
            unlink(versions + "/.lock")
        }
        // Other things may lie there: they are not ours to remove.
        if rmdir(versions) == 0 { rmdir(path) }
    }

    private var names: [String] {
        ((try? Directory.entries(versions)) ?? []).filter { Self.version(of: $0) != nil }
    }

    /// The version in a folder's name.
    private static func version(of name: String) -> String? {
        guard let hyphen = name.lastIndex(of: "-") else { return nil }
        let digest = name[name.index(after: hyphen)...]
        let version = String(name[..<hyphen])
        guard digest.utf8.count == 16, Hex.decode(String(digest)) != nil, TarballVersion(version) != nil else {
            return nil
        }
        return version
    }

    private func isFolder(_ path: String) -> Bool { kind(path) == S_IFDIR }

    private func isLink(_ path: String) -> Bool { kind(path) == S_IFLNK }

    private func kind(_ path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    private func system<Value>(_ body: () throws(SystemError) -> Value) throws(PackageError) -> Value {
        do throws(SystemError) {
            return try body()
        } catch {
            throw PackageError(error.isDiskFull ? .diskFull : .failed, "\(error)")
        }
    }
}
