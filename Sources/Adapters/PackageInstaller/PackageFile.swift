import DebianPackage
import MusterSystem
import SignatureVerification

/// What a package file is, read from the file itself.
public struct PackageFile: Equatable, Sendable {
    /// The whole control paragraph.
    public let control: ControlParagraph
    /// Name, version and architecture as the control paragraph states them.
    public let identity: PackageIdentity
    /// The file's length in bytes.
    public let length: Int64
    /// The SHA-256 of the whole file.
    public let sha256: [UInt8]
    /// What is installed together with it, where the file is a set of packages: see `PackageSetHeader`.
    public private(set) var companions: [PackageIdentity] = []

    /// Whether the file is a set of packages.
    public var isSet: Bool { !companions.isEmpty }

    /// Reads the whole of an open file: hashes it, then unpacks all of it once, piece by piece.
    ///
    /// A set of packages is what its first one is, with companions. Throws `malformed` or `tooLarge` for a file that dpkg
    /// could not or should not install.
    public static func inspect(_ file: OpenFile) throws(PackageError) -> PackageFile {
        let measured = try measure(file)
        if try DebianSet.isSet(file) {
            let packages = try DebianSet.inspect(file)
            guard let first = packages.first else { throw PackageError(.malformed, "\(file.path) holds no package") }
            return PackageFile(
                control: first.control,
                identity: first.identity,
                length: measured.length,
                sha256: measured.sha256,
                companions: packages.dropFirst().map(\.identity)
            )
        }
        let control = try DebianArchive.control(of: file, length: measured.length)
        do throws(DebianPackageError) {
            return PackageFile(
                control: control,
                identity: try PackageIdentity(control),
                length: measured.length,
                sha256: measured.sha256
            )
        } catch {
            throw PackageError(.malformed, "the control file of \(file.path) is refused: \(error)")
        }
    }

    /// Whether a file of this name may hold this package, or this set.
    public func matches(fileName: String) -> Bool {
        guard isSet else { return identity.matches(fileName: fileName) }
        let ending = DebianSet.ending
        return fileName.hasSuffix(ending) && identity.matches(fileName: fileName.dropLast(ending.utf8.count) + ".deb")
    }

    /// The name that its file should have.
    public var fileName: String {
        isSet ? identity.fileName.dropLast(".deb".utf8.count) + DebianSet.ending : identity.fileName
    }

    /// The length and the SHA-256 of an open file.
    public static func measure(_ file: OpenFile) throws(PackageError) -> (length: Int64, sha256: [UInt8]) {
        do throws(SystemError) {
            let length = try file.length()
            var digest = StreamingDigest(.sha256)
            try file.forEachPiece { digest.update($0) }
            return (length, digest.finish())
        } catch {
            throw PackageError(error)
        }
    }
}
