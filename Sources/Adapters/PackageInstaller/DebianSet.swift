import DebianPackage
import Glibc
import MusterModel
import MusterSystem

/// Several packages in one file, to be installed together: see `PackageSetHeader`.
public enum DebianSet {
    /// How such a file's name ends.
    public static let ending = ".debs"

    /// A package of a set.
    struct Member: Sendable {
        /// Its file name.
        let name: String
        /// Its very bytes, in a file that has no name.
        let file: OpenFile
    }

    /// Whether the first entry of a tar is named as one of a set is: a .deb in no folder.
    static func isNamed(_ header: [UInt8]) -> Bool {
        let name = header.prefix(100).prefix { $0 != 0 }
        return name.suffix(4).elementsEqual(".deb".utf8) && !name.contains(UInt8(ascii: "/"))
    }

    /// Whether an open file is a set rather than a package.
    public static func isSet(_ file: OpenFile) throws(PackageError) -> Bool {
        PackageSetHeader.begins(try read(file, PackageSetHeader.size, at: 0))
    }

    /// Copies the packages out of a set, into files without names on the same disk.
    ///
    /// The package manager wants each package as a file of its own; what it gets are the bytes of the very descriptor that
    /// was verified.
    static func unpack(_ file: OpenFile) throws(PackageError) -> [Member] {
        do throws(PackageError) {
            var members: [Member] = []
            let whole = try length(of: file)
            var offset: Int64 = 0
            while true {
                let bytes = try read(file, PackageSetHeader.size, at: offset)
                if bytes.allSatisfy({ $0 == 0 }) { break }
                guard let header = PackageSetHeader(parsing: bytes) else {
                    throw PackageError(.malformed, "no package begins at byte \(offset)")
                }
                guard members.count < PackageSetHeader.counts.upperBound else {
                    throw PackageError(.tooLarge, "it holds more than \(PackageSetHeader.counts.upperBound) packages")
                }
                offset += Int64(PackageSetHeader.size)
                guard header.length <= whole - offset else {
                    throw PackageError(.malformed, "it ends within \(header.name)")
                }
                members.append(Member(name: header.name, file: try copy(file, from: offset, header)))
                offset += header.length
                guard try read(file, header.padding, at: offset).allSatisfy({ $0 == 0 }) else {
                    throw PackageError(.malformed, "something stands behind \(header.name)")
                }
                offset += Int64(header.padding)
            }
            guard PackageSetHeader.counts.contains(members.count) else {
                throw PackageError(.malformed, "a set has \(PackageSetHeader.counts.lowerBound) packages or more")
            }
            let rest = try read(file, PackageSetHeader.end.count, at: offset)
            guard rest == PackageSetHeader.end, whole == offset + Int64(rest.count) else {
                throw PackageError(.malformed, "it does not end after its last package")
            }
            return members
        } catch {
            throw PackageError(error.code, "\(file.path) is refused: \(error.message)")
        }
    }

    /// What the packages of a set are, in their order; each is read as a whole.
    static func inspect(_ file: OpenFile) throws(PackageError) -> [PackageFile] {
        var packages: [PackageFile] = []
        for member in try unpack(file) {
            guard try !isSet(member.file) else {
                throw PackageError(.malformed, "\(file.path) is refused: \(member.name) is a set itself")
            }
            let package = try PackageFile.inspect(member.file)
            guard package.matches(fileName: member.name) else {
                throw PackageError(.malformed, "\(file.path) is refused: \(member.name) holds \(package.identity)")
            }
            guard !packages.contains(where: { $0.identity.name == package.identity.name }) else {
                throw PackageError(.malformed, "\(file.path) is refused: it holds \(package.identity.name) twice")
            }
            packages.append(package)
        }
        return packages
    }

    /// Writes a set of these packages in this order, and waits until it is on the disk.
    public static func write(_ packages: [OpenFile], to output: OpenFile) throws(PackageError) {
        do throws(SystemError) {
            for package in packages {
                guard
                    let header = PackageSetHeader(name: Directory.name(of: package.path), length: try package.length())
                else {
                    throw SystemError("add", package.path, because: "a set cannot hold a file of this name or length")
                }
                try output.write(header.bytes)
                var failure: SystemError?
                try package.forEachPiece { piece in
                    guard failure == nil else { return }
                    do throws(SystemError) { try output.write(piece) } catch { failure = error }
                }
                if let failure { throw failure }
                try output.write([UInt8](repeating: 0, count: header.padding))
            }
            try output.write(PackageSetHeader.end)
            try output.sync()
        } catch {
            throw PackageError(error)
        }
    }

    private static func length(of file: OpenFile) throws(PackageError) -> Int64 {
        do throws(SystemError) { return try file.length() } catch { throw PackageError(error) }
    }

    /// At most `count` bytes; fewer at the file's end.
    private static func read(_ file: OpenFile, _ count: Int, at offset: Int64) throws(PackageError) -> [UInt8] {
        do throws(SystemError) { return try file.bytes(count, at: offset) } catch { throw PackageError(error) }
    }

    private static func copy(
        _ file: OpenFile,
        from start: Int64,
        _ header: PackageSetHeader
    ) throws(PackageError) -> OpenFile {
        let output = try nameless(beside: file, header.name)
        var done: Int64 = 0
        while done < header.length {
            let piece = try read(file, Int(min(header.length - done, 1 << 18)), at: start + done)
            guard !piece.isEmpty else { throw PackageError(.malformed, "it ends within \(header.name)") }
            do throws(SystemError) { try output.write(piece) } catch { throw PackageError(error) }
            done += Int64(piece.count)
        }
        return output
    }

    /// A file that is gone when nobody has it open any more, in the folder of the set; elsewhere where that cannot be written.
    private static func nameless(beside file: OpenFile, _ name: String) throws(PackageError) -> OpenFile {
        var failure: SystemError?
        for folder in [Directory.parent(of: file.path), "/var/tmp"] {
            let path = folder + "/.muster-set-\(getpid())-\(UInt64.random(in: .min ... .max))"
            do throws(SystemError) {
                let output = try OpenFile(path, flags: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
                unlink(path)
                return OpenFile(descriptor: try duplicate(output), path: folder + "/" + name)
            } catch {
                failure = failure ?? error
            }
        }
        throw failure.map { PackageError($0) } ?? PackageError(.unreadable, "no folder can be written")
    }

    /// The same open file under another name for messages.
    private static func duplicate(_ file: OpenFile) throws(SystemError) -> Int32 {
        let descriptor = fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw SystemError("open", file.path, errno: errno) }
        return descriptor
    }
}
