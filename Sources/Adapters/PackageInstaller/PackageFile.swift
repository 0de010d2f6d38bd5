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

    /// Reads the whole of an open file: hashes it, then unpacks all of it once, piece by piece, writing nothing.
    ///
    /// Throws `malformed` or `tooLarge` for a file that dpkg could not or should not install.
    public static func inspect(_ file: OpenFile) throws(PackageError) -> PackageFile {
        let measured = try measure(file)
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
