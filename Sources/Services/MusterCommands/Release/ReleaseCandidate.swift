import ByteCoding
import Glibc
import MusterModel
import MusterSystem
import PackageInstaller
import TUF

/// A package file that is to become a release: what it says of itself, checked against its name and the releases so far.
struct ReleaseCandidate: Sendable {
    /// The file.
    let path: String
    /// What the file itself says.
    let package: PackageFile

    var fileName: String { Directory.name(of: path) }
    var target: String { "releases/" + fileName }

    /// Reads a package file; refuses one that is no whole package, or whose name is another package's.
    static func inspect(_ path: String) throws -> ReleaseCandidate {
        let package: PackageFile
        do {
            package = try PackageFile.inspect(try OpenFile(path, flags: O_RDONLY | O_NONBLOCK))
        } catch let error as PackageError {
            throw CommandFailure.refused("\(path) is not released: \(error)")
        }
        let candidate = ReleaseCandidate(path: path, package: package)
        guard package.matches(fileName: candidate.fileName) else {
            throw CommandFailure.refused(
                "\(path) holds \(package.identity), so its name must be \(package.fileName): rename or rebuild it"
            )
        }
        guard TargetPath.isSafe(candidate.target) else {
            throw CommandFailure.refused("\(path): its name cannot be the name of a release")
        }
        return candidate
    }

    /// The lines that show the package.
    var lines: [StyledText] {
        let identity = package.identity
        return [
            StyledText("\(identity.name) \(identity.version) \(identity.architecture)", .bold)
        ] + package.companions.map { StyledText("  with \($0.name) \($0.version) \($0.architecture)", .bold) } + [
            StyledText("  \(path), \(Moments.size(package.length))"),
            StyledText("  sha256 \(Hex.encode(package.sha256))"),
        ]
    }

    /// The signed description of the file as a release with this counter.
    func file(counter: Int64, _ release: ReleaseAdd.Details) -> TargetFile {
        let description = ReleaseDescription(
            format: package.identity.format.rawValue,
            package: package.identity.name,
            version: package.identity.version,
            architecture: package.identity.architecture,
            counter: counter,
            security: release.security,
            released: release.time,
            healthChecks: release.checks,
            notes: release.notes,
            floor: release.floor,
            restart: release.restart
        )
        return TargetFile(
            path: target,
            length: package.length,
            hashes: FileHashes(sha256: package.sha256),
            custom: description.custom
        )
    }
}
