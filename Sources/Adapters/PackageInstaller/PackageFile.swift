import DebianPackage
import MusterModel
import MusterSystem
import RPMPackage
import SignatureVerification
import VersionedTarball

/// What a package file is, read from the file itself.
public struct PackageFile: Equatable, Sendable {
    /// Format, name, version and architecture.
    public let identity: PackageIdentity
    /// The whole control paragraph of a Debian package.
    public let control: ControlParagraph?
    /// The file's length in bytes.
    public let length: Int64
    /// The SHA-256 of the whole file.
    public let sha256: [UInt8]
    /// What is installed together with it, where the file is a set of packages: see `PackageSetHeader`.
    public private(set) var companions: [PackageIdentity] = []

    /// Whether the file is a set of packages.
    public var isSet: Bool { !companions.isEmpty }

    /// Reads the whole of an open file, whose format its first bytes tell: hashes it, then unpacks all of it once, piece by
    /// piece.
    ///
    /// A set of packages is what its first one is, with companions. Throws `malformed` or `tooLarge` for a file that could
    /// not or should not be installed.
    public static func inspect(_ file: OpenFile) throws(PackageError) -> PackageFile {
        let format = try format(of: file)
        let measured = try measure(file)
        if format == .deb, try DebianSet.isSet(file) {
            let packages = try DebianSet.inspect(file)
            guard let first = packages.first else { throw PackageError(.malformed, "\(file.path) holds no package") }
            return PackageFile(
                identity: first.identity,
                control: first.control,
                length: measured.length,
                sha256: measured.sha256,
                companions: packages.dropFirst().map(\.identity)
            )
        }
        var control: ControlParagraph?
        let identity: PackageIdentity
        switch format {
        case .deb:
            let paragraph = try DebianArchive.control(of: file, length: measured.length)
            control = paragraph
            identity = PackageIdentity(try debianIdentity(paragraph, file))
        case .rpm: identity = PackageIdentity(try RPMArchive.inspect(file, length: measured.length))
        case .tar: identity = PackageIdentity(try TarballArchive.walk(file, length: measured.length, into: nil))
        }
        return PackageFile(
            identity: identity,
            control: control,
            length: measured.length,
            sha256: measured.sha256
        )
    }

    /// The format that a file's first bytes promise.
    public static func format(of file: OpenFile) throws(PackageError) -> PackageFormat {
        let start: [UInt8]
        do throws(SystemError) { start = try file.bytes(512, at: 0) } catch { throw PackageError(error) }
        if start.starts(with: "!<arch>\n".utf8) { return .deb }
        if start.starts(with: RPMLayout.magic) { return .rpm }
        let compressions: [[UInt8]] = [
            [0x1F, 0x8B], [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], [0x28, 0xB5, 0x2F, 0xFD], Array("BZh".utf8),
        ]
        if compressions.contains(where: { start.starts(with: $0) }) { return .tar }
        if start.dropFirst(257).starts(with: "ustar".utf8) {
            return DebianSet.isNamed(start) ? .deb : .tar
        }
        throw PackageError(.malformed, "\(file.path) is neither a .deb nor an .rpm nor a tarball")
    }

    /// Whether a file of this name may hold this package, or this set.
    public func matches(fileName: String) -> Bool { fileNames.contains(fileName) }

    /// The name that its file should have.
    public var fileName: String { fileNames.first ?? "" }

    private var fileNames: [String] {
        guard isSet else { return identity.fileNames }
        return identity.fileNames.map { $0.dropLast(".deb".utf8.count) + DebianSet.ending }
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

    private static func debianIdentity(
        _ control: ControlParagraph,
        _ file: OpenFile
    ) throws(PackageError) -> DebianIdentity {
        do throws(DebianPackageError) {
            return try DebianIdentity(control)
        } catch {
            throw PackageError(.malformed, "the control file of \(file.path) is refused: \(error)")
        }
    }
}
