import DebianPackage
import Glibc
import MusterModel
import MusterSystem

/// The real dpkg, on the machine's own database or on one below a root of the node's own.
///
/// The package reaches dpkg as an inherited descriptor: dpkg and the dpkg-deb that it starts open `/proc/self/fd/3`,
/// which is the file that was verified, not whatever has its name now, and stays so if the agent dies meanwhile.
/// Configuration files that someone changed are kept, and nothing is ever asked.
public struct DpkgInstaller: PackageInstalling {
    /// How long things may take.
    public typealias Limits = InstallLimits

    private let root: String
    private let program: PackageManagerProgram
    private let dpkg: String
    private let dpkgQuery: String

    /// The dpkg of `root`: with `/` the machine's own; else a private database is created there by the first use, no
    /// dependencies are asked for, and maintainer scripts run outside, with `$DPKG_ROOT` naming the root.
    public init(
        root: String = "/",
        limits: Limits = Limits(),
        dpkg: String = "/usr/bin/dpkg",
        dpkgQuery: String = "/usr/bin/dpkg-query"
    ) {
        self.root = root
        self.dpkg = dpkg
        self.dpkgQuery = dpkgQuery
        program = PackageManagerProgram(
            name: "dpkg",
            limits: limits,
            lockedWords: ["locked by another process", "unable to lock"]
        )
    }

    /// The architecture that dpkg was built for.
    public func architecture() async throws(PackageError) -> String {
        let result = try await program.run(dpkg, ["--print-architecture"])
        let text = result.outputText.split(separator: "\n").first.map(String.init) ?? ""
        guard result.succeeded, DebianIdentity.isArchitecture(text) else {
            throw PackageError(.failed, "cannot ask dpkg for the architecture: it \(result.endingText)")
        }
        return text
    }

    /// What `dpkg-query` knows of a package.
    public func state(of package: String) async throws(PackageError) -> PackageState {
        let format = "${db:Status-Eflag}\t${db:Status-Status}\t${Version}\n"
        let result = try await query(["--show", "--showformat", format, "--", package])
        switch result.ending {
        case .exited(0): return try Self.state(package, result.outputText)
        case .exited(1) where result.errorText.contains("no packages found matching"): return .absent
        default: throw program.error("ask for the state of \(package)", result)
        }
    }

    /// What `dpkg-query` knows of all packages, as far as it was asked for.
    public func versions(of packages: Set<String>) async throws(PackageError) -> [String: String] {
        guard !packages.isEmpty else { return [:] }
        let format = "${db:Status-Abbrev}\t${Package}\t${Version}\n"
        let result = try await query(["--show", "--showformat", format], outputLimit: 32 << 20)
        switch result.ending {
        case .exited(0): break
        case .exited(1) where result.errorText.contains("no packages found matching"): return [:]
        default: throw program.error("ask for the installed versions", result)
        }
        var versions: [String: String] = [:]
        for line in result.outputText.split(separator: "\n") {
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3, parts[0].dropFirst().hasPrefix("i "), packages.contains(parts[1]) else { continue }
            versions[parts[1]] = parts[2]
        }
        return versions
    }

    /// Runs `dpkg --install` on the open file, or once on all packages of a set.
    public func install(_ file: OpenFile) async throws(PackageError) {
        if ownsRoot { try PackageManagerProgram.createRoot(root) }
        let files = try packages(in: file)
        let paths = files.indices.map { "/proc/self/fd/\(3 + $0)" }
        try await change("install \(Directory.name(of: file.path))", ["--install"] + paths, inherited: files)
    }

    private func packages(in file: OpenFile) throws(PackageError) -> [OpenFile] {
        do throws(PackageError) {
            return try DebianSet.isSet(file) ? DebianSet.unpack(file).map(\.file) : [file]
        } catch {
            // Whatever went wrong, dpkg has not been started.
            throw PackageError(.unavailable, error.message)
        }
    }

    /// Runs `dpkg --configure` where a package is unpacked and was not configured to its end.
    public func repair(_ package: String) async throws(PackageError) {
        guard case .partial(let version, let status) = try await state(of: package) else { return }
        guard ["unpacked", "half-configured", "triggers-awaited", "triggers-pending"].contains(status) else {
            throw PackageError(.failed, "\(package) \(version) is \(status): it must be installed again")
        }
        try await change("configure \(package)", ["--configure", "--", package])
    }

    /// Installs; where that fails, takes the scripts away that run when the version that is there goes, and tries again.
    ///
    /// Those are all that can stand in the way of a version that has been whole here before.
    public func restore(_ package: String, from file: OpenFile) async throws(PackageError) {
        try await despiteScripts(
            of: { () throws(PackageError) in
                try DebianSet.isSet(file) ? try DebianSet.inspect(file).map(\.identity.name) : [package]
            },
            { () async throws(PackageError) in try await install(file) }
        )
    }

    /// Runs `dpkg --remove`; where a script of the package fails, without it.
    public func remove(_ package: String) async throws(PackageError) {
        try await despiteScripts(
            of: { [package] },
            { () async throws(PackageError) in try await change("remove \(package)", ["--remove", "--", package]) }
        )
    }

    private var ownsRoot: Bool { root != "/" }

    private var rootArguments: [String] { ownsRoot ? ["--root=\(root)"] : [] }

    private func query(_ arguments: [String], outputLimit: Int = 65536) async throws(PackageError) -> CommandResult {
        try await program.run(dpkgQuery, rootArguments + arguments, outputLimit: outputLimit)
    }

    /// Runs a changing command; waits while another process holds the package manager's lock.
    private func change(
        _ what: String,
        _ options: [String],
        inherited: [OpenFile] = []
    ) async throws(PackageError) {
        let forced =
            ["--force-confdef", "--force-confold"]
            + (ownsRoot ? ["--force-depends", "--force-script-chrootless"] : [])
        try await program.limits.whileLocked { () async throws(PackageError) in
            let result = try await program.run(dpkg, rootArguments + forced + options, inherited: inherited)
            guard result.succeeded else { throw program.error(what, result) }
        }
    }

    private func despiteScripts(
        of packages: () throws(PackageError) -> [String],
        _ body: () async throws(PackageError) -> Void
    ) async throws(PackageError) {
        do throws(PackageError) {
            return try await body()
        } catch {
            guard error.code == .failed || error.code == .hung else { throw error }
            var removed = false
            for package in try packages() where try await removeScripts(of: package) { removed = true }
            guard removed else { throw error }
        }
        try await body()
    }

    /// Whether there was a `prerm` or `postrm` of the version that is there.
    private func removeScripts(of package: String) async throws(PackageError) -> Bool {
        var removed = false
        for script in ["prerm", "postrm"] {
            let result = try await query(["--control-path", package, script])
            guard result.succeeded, let path = result.outputText.split(separator: "\n").first.map(String.init),
                path.hasPrefix("/"), Directory.exists(path)
            else { continue }
            do throws(SystemError) {
                try AtomicFile.remove(path)
            } catch {
                throw PackageError(error)
            }
            removed = true
        }
        return removed
    }

    private static func state(_ package: String, _ text: String) throws(PackageError) -> PackageState {
        let lines = text.split(separator: "\n")
        guard lines.count == 1 else {
            throw PackageError(.failed, "\(package) is installed for several architectures; remove all but one")
        }
        let parts = lines[0].split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3 else {
            throw PackageError(.failed, "dpkg-query answers \(text.prefix(200).debugDescription) for \(package)")
        }
        switch (parts[0], parts[1]) {
        case ("ok", "installed"): return .installed(version: parts[2])
        case ("ok", "not-installed"), ("ok", "config-files"): return .absent
        default: return .partial(version: parts[2], status: parts[0] == "ok" ? parts[1] : "\(parts[1]) \(parts[0])")
        }
    }
}
