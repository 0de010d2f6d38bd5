import Glibc
import MusterModel
import MusterSystem
import RPMPackage

/// The real rpm, on the machine's own database or on one below a root of the node's own.
///
/// The package reaches rpm as an inherited descriptor, `/proc/self/fd/3`, as it does dpkg. Configuration files that someone
/// changed are kept (rpm writes `.rpmnew` beside those marked so). rpm ends with 0 though a script that runs after
/// its files were changed has failed: here that is a failure.
public struct RPMInstaller: PackageInstalling {
    private let root: String
    private let database: String?
    private let program: PackageManagerProgram
    private let rpm: String

    /// The rpm of `root`: with `/` the machine's own; else a private database is created there by the first use, no
    /// dependencies are asked for, and scripts run with `root` as their root folder.
    ///
    /// `database` is the database's folder within the root; `/var/lib/rpm` in a private one unless told.
    public init(
        root: String = "/",
        database: String? = nil,
        limits: InstallLimits = InstallLimits(),
        rpm: String = "/usr/bin/rpm"
    ) {
        self.root = root
        self.database = database ?? (root == "/" ? nil : "/var/lib/rpm")
        self.rpm = rpm
        program = PackageManagerProgram(
            name: "rpm",
            limits: limits,
            lockedWords: ["can't create transaction lock", "database is locked"]
        )
    }

    /// The kernel's architecture.
    public func architecture() async throws(PackageError) -> String {
        PackageArchitecture.common(HostFacts.read().machine)
    }

    /// What `rpm --query` knows of a package; two versions of one package are a broken state.
    public func state(of package: String) async throws(PackageError) -> PackageState {
        let versions = try await installed(package)
        guard let newest = versions.max(by: { Self.isOlder($0, $1) }) else { return .absent }
        return versions.count == 1
            ? .installed(version: newest)
            : .partial(version: newest, status: "installed beside \(versions.count - 1) other")
    }

    /// What `rpm --query --all` knows of all packages, as far as it was asked for.
    public func versions(of packages: Set<String>) async throws(PackageError) -> [String: String] {
        guard !packages.isEmpty, hasDatabase else { return [:] }
        let format = "%{NAME}\t\(Self.versionFormat)\n"
        let result = try await run(["--query", "--all", "--queryformat", format], outputLimit: 32 << 20)
        guard result.succeeded else { throw program.error("ask for the installed versions", result) }
        var versions: [String: [String]] = [:]
        for line in result.outputText.split(separator: "\n") {
            let parts = line.split(separator: "\t").map(String.init)
            if parts.count == 2, packages.contains(parts[0]) {
                versions[parts[0], default: []].append(Self.version(parts[1]))
            }
        }
        return versions.compactMapValues { $0.count == 1 ? $0.first : nil }
    }

    /// Runs `rpm --upgrade` on the open file, to an older or the same version too.
    public func install(_ file: OpenFile) async throws(PackageError) {
        let identity = try RPMArchive.head(of: file).head.identity
        do throws(PackageError) {
            try await upgrade(file, identity)
        } catch {
            guard ![.locked, .unavailable].contains(error.code), try await isDamaged(identity.name) else { throw error }
            throw PackageError(.damaged, error.message)
        }
    }

    /// Removes older versions that are there beside the newest, as an upgrade that was cut off leaves them.
    public func repair(_ package: String) async throws(PackageError) {
        guard case .partial(let newest, _) = try await state(of: package) else { return }
        try await keepOnly(newest, of: package)
        guard try await !isDamaged(package), case .installed = try await state(of: package) else {
            throw PackageError(.damaged, "\(package) \(newest) is not whole: it must be installed again")
        }
    }

    /// Installs; where that fails, does so without any scripts, which lets every other version go.
    public func restore(_ package: String, from file: OpenFile) async throws(PackageError) {
        let identity = try RPMArchive.head(of: file).head.identity
        do throws(PackageError) {
            return try await install(file)
        } catch {
            guard [.failed, .damaged, .hung].contains(error.code) else { throw error }
        }
        try await upgrade(file, identity, more: ["--noscripts"])
        guard try await !isDamaged(package) else { throw PackageError(.damaged, "\(identity) is back, but not whole") }
    }

    /// Runs `rpm --erase`; where a script of the package fails, without its scripts.
    public func remove(_ package: String) async throws(PackageError) {
        let versions = try await installed(package)
        guard !versions.isEmpty else { return }
        let options = ["--erase", "--allmatches"] + forced + ["--", package]
        do throws(PackageError) {
            try await change("remove \(package)", options)
        } catch {
            guard error.code == .failed || error.code == .hung else { throw error }
            if try await installed(package).isEmpty { return }
            try await change("remove \(package)", ["--noscripts"] + options)
        }
    }

    /// The version as `RPMVersion` writes it, but for an epoch that is stated to be 0.
    private static let versionFormat = "%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}"

    private var forced: [String] { root == "/" ? [] : ["--nodeps"] }

    private var rootArguments: [String] {
        (root == "/" ? [] : ["--root", root]) + (database.map { ["--dbpath", $0] } ?? [])
    }

    /// A private database does not exist before the first use, and a query would create it.
    private var hasDatabase: Bool { root == "/" || Directory.exists(root + (database ?? "")) }

    private func installed(_ package: String) async throws(PackageError) -> [String] {
        guard hasDatabase else { return [] }
        let result = try await run(["--query", "--queryformat", Self.versionFormat + "\n", "--", package])
        switch result.ending {
        case .exited(0): break
        case .exited(1) where result.outputText.contains("is not installed"): return []
        default: throw program.error("ask for the state of \(package)", result)
        }
        return result.outputText.split(separator: "\n").map { Self.version(String($0)) }
    }

    /// A version as releases name it: an epoch of 0 is none, whether the package says it or not.
    private static func version(_ text: String) -> String { text.hasPrefix("0:") ? String(text.dropFirst(2)) : text }

    private func upgrade(
        _ file: OpenFile,
        _ identity: RPMIdentity,
        more: [String] = []
    ) async throws(PackageError) {
        if root != "/" { try PackageManagerProgram.createRoot(root) }
        try await change(
            "install \(Directory.name(of: file.path))",
            ["--upgrade", "--oldpackage", "--replacepkgs"] + forced + more + ["/proc/self/fd/3"],
            inherited: [file]
        )
    }

    /// Erases all versions but one; files that both have stay.
    private func keepOnly(_ version: String, of package: String) async throws(PackageError) {
        for other in try await installed(package) where other != version {
            try await change(
                "remove \(package) \(other)",
                ["--erase", "--noscripts", "--nodeps", "--", "\(package)-\(other)"]
            )
        }
    }

    /// Whether files of the package are missing or have other contents than its database says, but for configuration.
    private func isDamaged(_ package: String) async throws(PackageError) -> Bool {
        guard hasDatabase, try await !installed(package).isEmpty else { return false }
        let ignored = [
            "nodeps", "noscripts", "noconfig", "noghost", "nomtime", "nouser", "nogroup", "nomode", "nocaps",
        ]
        let result = try await run(["--verify"] + ignored.map { "--" + $0 } + ["--", package])
        return !result.succeeded
    }

    /// Runs a changing command; waits while another process holds the database's lock.
    private func change(
        _ what: String,
        _ options: [String],
        inherited: [OpenFile] = []
    ) async throws(PackageError) {
        try await program.limits.whileLocked { () async throws(PackageError) in
            let result = try await run(options, inherited: inherited)
            guard result.succeeded, !Self.saysScriptFailed(result.errorText) else { throw program.error(what, result) }
        }
    }

    private func run(
        _ options: [String],
        inherited: [OpenFile] = [],
        outputLimit: Int = 65536
    ) async throws(PackageError) -> CommandResult {
        try await program.run(rpm, rootArguments + options, inherited: inherited, outputLimit: outputLimit)
    }

    private static func saysScriptFailed(_ text: String) -> Bool {
        text.split(separator: "\n").contains { line in
            (line.hasPrefix("warning:") || line.hasPrefix("error:"))
                && (line.contains("scriptlet failed") || line.contains("lua script failed"))
        }
    }

    private static func isOlder(_ left: String, _ right: String) -> Bool {
        guard let left = RPMVersion(left), let right = RPMVersion(right) else { return left < right }
        return left < right
    }
}
