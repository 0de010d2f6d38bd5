import ByteCoding
import CanonicalJSON
import MusterModel
import PackageInstaller
import TUF

/// The releases that are signed so far.
struct ReleaseHistory: Sendable {
    /// One signed package file and its description.
    struct Entry: Sendable {
        let file: TargetFile
        let release: ReleaseDescription
    }

    /// Every release, newest counter first within each package.
    let entries: [Entry]

    init(_ targets: Targets?) {
        self.init((targets?.files ?? []))
    }

    init(_ files: [TargetFile]) {
        entries = files.compactMap { file in
            (try? ReleaseDescription(custom: file.custom)).map { Entry(file: file, release: $0) }
        }.sorted {
            ($0.release.package, -$0.release.counter, $0.release.architecture)
                < ($1.release.package, -$1.release.counter, $1.release.architecture)
        }
    }

    /// Entries of one package, newest first.
    func of(_ package: String) -> [Entry] { entries.filter { $0.release.package == package } }

    /// The package files of one version, one for each architecture.
    func files(_ package: String, version: String) -> [Entry] {
        of(package).filter { $0.release.version == version }
    }

    /// The newest version of a package.
    func newest(_ package: String) -> String? { of(package).first?.release.version }

    /// The counter for a new file: that of its version if another architecture has it, else one above the highest.
    ///
    /// A failure where the same version has been released with other bytes.
    func counter(for candidate: ReleaseCandidate) throws -> Int64 {
        let identity = candidate.package.identity
        for entry in of(identity.name) {
            guard entry.release.format == identity.format.rawValue else {
                throw CommandFailure.refused(
                    "\(identity.name) is released as \(entry.release.format) already, and a package has one format in a fleet: "
                        + "give the other one another name"
                )
            }
            guard order(entry.release.version, identity) == 0 else { continue }
            guard entry.release.architecture != identity.architecture else {
                let isSame = entry.file.hashes.sha256 == candidate.package.sha256
                throw CommandFailure.refused(
                    isSame
                        ? "\(identity) is released already"
                        : "\(identity) is released already with other content (sha256 "
                            + "\(Hex.encode(entry.file.hashes.sha256 ?? []))): a new build needs a new version"
                )
            }
            return entry.release.counter
        }
        if let taken = entries.first(where: { $0.file.path == candidate.target }) {
            throw CommandFailure.refused("\(taken.file.path) is the name of another release already")
        }
        return (of(identity.name).map(\.release.counter).max() ?? 0) + 1
    }

    /// A version that is released and newer than this one, if any.
    func newer(than identity: PackageIdentity) -> String? {
        let newer = of(identity.name).map(\.release.version).filter { order($0, identity).map { $0 > 0 } ?? false }
        return newer.max { ReleaseVersion.compare(identity.format.rawValue, $0, $1).map { $0 < 0 } ?? false }
    }

    /// Refuses a floor that no node could ever pass through.
    func check(floor: String, of identity: PackageIdentity) throws {
        guard ReleaseVersion.isVersion(identity.format, floor) else {
            throw CommandFailure.usage(
                "--floor \(floor) is not a version of a package of format \(identity.format.rawValue)"
            )
        }
        guard let order = order(floor, identity), order < 0 else {
            throw CommandFailure.usage("--floor \(floor) is not older than \(identity)")
        }
        guard of(identity.name).contains(where: { $0.release.version == floor }) else {
            throw CommandFailure.refused("\(identity.name) \(floor) is not released: no node could pass through it")
        }
    }

    /// How a version stands to that of a file; nil where they cannot be compared.
    private func order(_ version: String, _ identity: PackageIdentity) -> Int? {
        ReleaseVersion.compare(identity.format.rawValue, version, identity.version)
    }
}
