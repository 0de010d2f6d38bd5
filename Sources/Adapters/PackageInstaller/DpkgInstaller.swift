import DebianPackage
import MusterSystem

/// The real dpkg, on the machine's own database or on one below a root of the node's own.
///
/// The package reaches dpkg as an inherited descriptor: dpkg and the dpkg-deb that it starts open `/proc/self/fd/3`,
/// which is the file that was verified, not whatever has its name now, and stays so if the agent dies meanwhile.
public struct DpkgInstaller: PackageInstalling {
    /// How long things may take.
    public struct Limits: Sendable {
        /// For one run of dpkg with all its maintainer scripts.
        public var run: Duration = .seconds(1800)
        /// Between TERM and KILL.
        public var grace: Duration = .seconds(10)
        /// For waiting until another process gives the package manager free.
        public var lock: Duration = .seconds(120)
        /// The first wait for the lock; each further one is twice as long, 10 s at most.
        public var firstLockWait: Duration = .milliseconds(250)

        /// The limits for use.
        public init() {}
    }

    private let root: String
    private let limits: Limits
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
        self.limits = limits
        self.dpkg = dpkg
        self.dpkgQuery = dpkgQuery
    }

    /// The architecture that dpkg was built for.
    public func architecture() async throws(PackageError) -> String {
        let result = try await run(dpkg, ["--print-architecture"])
        let text = result.outputText.split(separator: "\n").first.map(String.init) ?? ""
        guard result.succeeded, PackageIdentity.isArchitecture(text) else {
            throw PackageError(.failed, "cannot ask dpkg for the architecture: it \(result.endingText)")
        }
        return text
    }

    /// What `dpkg-query` knows of a package.
    public func state(of package: String) async throws(PackageError) -> PackageState {
        let format = "${db:Status-Eflag}\t${db:Status-Status}\t${Version}\n"
        let result = try await run(dpkgQuery, rootArguments + ["--show", "--showformat", format, "--", package])
        switch result.ending {
        case .exited(0): return try Self.state(package, result.outputText)
        case .exited(1) where result.errorText.contains("no packages found matching"): return .absent
        default: throw Self.error("ask for the state of \(package)", result)
        }
    }

    /// What `dpkg-query` knows of all packages, as far as it was asked for.
    public func versions(of packages: Set<String>) async throws(PackageError) -> [String: String] {
        guard !packages.isEmpty else { return [:] }
        let format = "${db:Status-Abbrev}\t${Package}\t${Version}\n"
        let result = try await run(
            dpkgQuery,
            rootArguments + ["--show", "--showformat", format],
            outputLimit: 32 << 20
        )
        switch result.ending {
        case .exited(0): break
        case .exited(1) where result.errorText.contains("no packages found matching"): return [:]
        default: throw Self.error("ask for the installed versions", result)
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
        if ownsRoot { try createRoot() }
        let files = try packages(in: file)
        let options = ["--force-confdef", "--force-confold", "--install"]
        let paths = files.indices.map { "/proc/self/fd/\(3 + $0)" }
        try await change("install \(Directory.name(of: file.path))", options + paths, inherited: files)
    }

    private func packages(in file: OpenFile) throws(PackageError) -> [OpenFile] {
        do throws(PackageError) {
            return try DebianSet.isSet(file) ? DebianSet.unpack(file).map(\.file) : [file]
        } catch {
            // Whatever went wrong, dpkg has not been started.
            throw PackageError(.unavailable, error.message)
        }
    }

    /// Runs `dpkg --remove`.
    public func remove(_ package: String) async throws(PackageError) {
        try await change("remove \(package)", ["--remove", "--", package], inherited: [])
    }

    private var ownsRoot: Bool { root != "/" }

    private var rootArguments: [String] { ownsRoot ? ["--root=\(root)"] : [] }

    private func createRoot() throws(PackageError) {
        do throws(SystemError) {
            try Directory.create(root, mode: 0o755)
        } catch {
            throw PackageError(error.isDiskFull ? .diskFull : .unavailable, "\(error)")
        }
    }

    /// Runs a changing command; waits, doubling, while another process holds the package manager's lock.
    private func change(_ what: String, _ options: [String], inherited: [OpenFile]) async throws(PackageError) {
        let forced = ownsRoot ? ["--force-depends", "--force-script-chrootless"] : []
        let deadline = ContinuousClock.now + limits.lock
        var wait = limits.firstLockWait
        while true {
            let result = try await run(dpkg, rootArguments + forced + options, inherited: inherited)
            if result.succeeded { return }
            let error = Self.error(what, result)
            guard error.code == .locked, ContinuousClock.now + wait < deadline else { throw error }
            try? await Task.sleep(for: wait)
            if Task.isCancelled { throw error }
            wait = min(wait * 2, .seconds(10))
        }
    }

    private func run(
        _ program: String,
        _ arguments: [String],
        inherited: [OpenFile] = [],
        outputLimit: Int = 65536
    ) async throws(PackageError) -> CommandResult {
        var environment = Command.plainEnvironment
        environment["DEBIAN_FRONTEND"] = "noninteractive"
        environment["HOME"] = "/root"
        let command = Command(program, arguments, environment: environment, inherited: inherited)
        do throws(SystemError) {
            return try await command.run(timeout: limits.run, grace: limits.grace, outputLimit: outputLimit)
        } catch {
            throw PackageError(.unavailable, "\(error)")
        }
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

    private static func error(_ attempt: String, _ result: CommandResult) -> PackageError {
        let said = result.errorText
        let code: PackageError.Code =
            if result.timedOut {
                .hung
            } else if said.contains("locked by another process") || said.contains("unable to lock") {
                .locked
            } else if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
                .diskFull
            } else {
                .failed
            }
        return PackageError(code, "cannot \(attempt): dpkg \(result.endingText); it said: \(tail(of: result))")
    }

    /// The last lines on one line: scripts write to both streams, dpkg's own complaint comes at the end.
    private static func tail(of result: CommandResult) -> String {
        let lines = (result.outputText + "\n" + result.errorText).split(separator: "\n").suffix(12)
        let text = lines.map { line in
            String(String.UnicodeScalarView(line.unicodeScalars.filter { $0.properties.generalCategory != .control }))
        }
        return text.isEmpty ? "nothing" : String(text.joined(separator: "; ").suffix(1200))
    }
}
