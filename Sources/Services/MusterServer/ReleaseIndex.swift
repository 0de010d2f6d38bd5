import ByteCoding
import MusterModel
import TUF

/// One package file that the release managers signed.
struct Release: Hashable, Sendable {
    /// Its TUF target path.
    let path: String
    /// Its length in bytes.
    let length: Int64
    /// Its SHA-256.
    let sha256: [UInt8]
    /// What the release managers say of it.
    let description: ReleaseDescription
}

/// The trusted releases, by path and by package.
struct ReleaseIndex: Sendable {
    private struct Key: Hashable {
        let package: String
        let architecture: String
    }

    private let byPath: [String: Release]
    /// Of each package and architecture, the lowest counter first.
    private let byPackage: [Key: [Release]]

    /// No releases.
    init() {
        byPath = [:]
        byPackage = [:]
    }

    /// The releases of trusted metadata; targets without a description are not packages.
    init(_ targets: Targets) {
        var byPath: [String: Release] = [:]
        var byPackage: [Key: [Release]] = [:]
        for file in targets.files {
            guard let sha256 = file.hashes.sha256, let description = try? ReleaseDescription(custom: file.custom) else {
                continue
            }
            let release = Release(path: file.path, length: file.length, sha256: sha256, description: description)
            byPath[file.path] = release
            byPackage[
                Key(package: description.package, architecture: description.architecture),
                default: []
            ].append(release)
        }
        self.byPath = byPath
        self.byPackage = byPackage.mapValues { releases in
            releases.sorted { $0.description.counter < $1.description.counter }
        }
    }

    /// The release at a target path.
    func release(_ path: String) -> Release? { byPath[path] }

    /// Whether a statement brings a release that closes a security hole, by the word of the release keys.
    func isSecurity(_ statement: Statement) -> Bool {
        guard statement.type == .upgrade, let body = statement.body.packageChange else { return false }
        return body.targets.contains { release($0.path)?.description.security == true }
    }

    /// All paths.
    var paths: Dictionary<String, Release>.Keys { byPath.keys }

    /// The releases that fit a package on an architecture, the lowest counter first.
    func releases(of package: String, for architecture: String) -> [Release] {
        let own = byPackage[Key(package: package, architecture: architecture)] ?? []
        let all = byPackage[Key(package: package, architecture: "all")] ?? []
        guard !all.isEmpty else { return own }
        return (own + all).sorted { $0.description.counter < $1.description.counter }
    }
}
