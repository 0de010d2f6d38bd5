import Glibc
import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

/// Each test has a dpkg database of its own; the dpkg is the real one.
@Suite struct DpkgInstallerTests {
    private let folder: TemporaryFolder
    private let root: String

    init() throws {
        folder = try TemporaryFolder()
        root = folder.file("root")
    }

    private func installer(_ change: (inout DpkgInstaller.Limits) -> Void = { _ in }) -> DpkgInstaller {
        var limits = DpkgInstaller.Limits()
        limits.run = .seconds(60)
        limits.grace = .seconds(1)
        limits.lock = .seconds(30)
        limits.firstLockWait = .milliseconds(50)
        change(&limits)
        return DpkgInstaller(root: root, limits: limits)
    }

    private func file(_ package: TestPackage) async throws -> OpenFile {
        try OpenFile(try folder.write(package.fileName, try await package.build()))
    }

    private func content() throws -> String {
        String(decoding: try BoundedFile.read(root + "/usr/share/probe/version", limit: 100), as: UTF8.self)
    }

    @Test("installs, upgrades, goes back and removes in a private root")
    func lifecycle() async throws {
        let installer = installer()
        #expect(try await installer.state(of: "probe") == .absent)
        #expect(try await installer.versions(of: ["probe"]) == [:])
        try await installer.install(try await file(TestPackage("probe", "1.0")))
        #expect(try await installer.state(of: "probe") == .installed(version: "1.0"))
        try await installer.install(try await file(TestPackage("probe", "2.0")))
        #expect(try await installer.versions(of: ["probe", "other"]) == ["probe": "2.0"])
        #expect(try content() == "2.0\n")
        try await installer.install(try await file(TestPackage("probe", "1.0")))
        #expect(try await installer.state(of: "probe") == .installed(version: "1.0"))
        try await installer.remove("probe")
        #expect(try await installer.state(of: "probe") == .absent)
        #expect(!Directory.exists(root + "/usr/share/probe/version"))
    }

    @Test("a package swapped after verification is not what gets installed")
    func swapped() async throws {
        let good = try await file(TestPackage("probe", "1.0"))
        _ = try PackageFile.inspect(good)
        try AtomicFile.write(try await TestPackage("probe", "6.6.6").build(), to: good.path)
        try await installer().install(good)
        #expect(try await installer().state(of: "probe") == .installed(version: "1.0"))
    }

    @Test("a failing maintainer script is reported with its words, and the old package repairs what it left")
    func failingScript() async throws {
        let installer = installer()
        let old = try await file(TestPackage("probe", "1.0"))
        try await installer.install(old)
        var bad = TestPackage("probe", "2.0")
        bad.scripts = ["postinst": "echo no database here; exit 7"]
        let badFile = try await file(bad)
        let error = await #expect(throws: PackageError.self) { try await installer.install(badFile) }
        #expect(error?.code == .failed)
        #expect(error?.message.contains("no database here") == true)
        #expect(try await installer.state(of: "probe") == .partial(version: "2.0", status: "half-configured"))
        #expect(try await installer.versions(of: ["probe"]) == [:])
        try await installer.install(old)
        #expect(try await installer.state(of: "probe") == .installed(version: "1.0"))
        #expect(try content() == "1.0\n")
    }

    @Test("a hanging maintainer script is ended with everything it started")
    func hanging() async throws {
        let installer = installer { $0.run = .milliseconds(1500) }
        var bad = TestPackage("probe", "2.0")
        bad.scripts = ["preinst": "trap '' TERM; sleep 600 & echo $! > \(folder.file("child")); wait; sleep 600"]
        let badFile = try await file(bad)
        let error = await #expect(throws: PackageError.self) { try await installer.install(badFile) }
        #expect(error?.code == .hung)
        let child = try #require(
            pid_t(String(decoding: try BoundedFile.read(folder.file("child"), limit: 20), as: UTF8.self).dropLast())
        )
        try await Task.sleep(for: .milliseconds(300))
        #expect(kill(child, 0) != 0 || Self.isZombie(child))
        let whole = self.installer()
        try await whole.install(try await file(TestPackage("probe", "1.0")))
        #expect(try await whole.state(of: "probe") == .installed(version: "1.0"))
    }

    @Test("a locked package manager is waited for")
    func locked() async throws {
        let installer = installer()
        try await installer.install(try await file(TestPackage("probe", "1.0")))
        let next = try await file(TestPackage("probe", "2.0"))
        let holder = Task {
            try await lockHolder(seconds: "1.5")
        }
        try await Task.sleep(for: .milliseconds(500))
        try await installer.install(next)
        #expect(try await installer.state(of: "probe") == .installed(version: "2.0"))
        _ = try await holder.value
    }

    @Test("a package manager that stays locked is an error, and nothing was changed")
    func staysLocked() async throws {
        try await installer().install(try await file(TestPackage("probe", "1.0")))
        let next = try await file(TestPackage("probe", "2.0"))
        let holder = Task { try await lockHolder(seconds: "20") }
        try await Task.sleep(for: .milliseconds(500))
        let impatient = installer { $0.lock = .milliseconds(600) }
        let error = await #expect(throws: PackageError.self) { try await impatient.install(next) }
        #expect(error?.code == .locked)
        #expect(try await impatient.state(of: "probe") == .installed(version: "1.0"))
        holder.cancel()
        _ = try? await holder.value
    }

    @Test("a file that is no package, and a dpkg that is missing, are errors")
    func bad() async throws {
        let text = try OpenFile(try folder.write("text.deb", "no package".utf8))
        await #expect(throws: PackageError(.failed, "")) { try await installer().install(text) }
        let missing = DpkgInstaller(root: root, dpkg: "/no/dpkg")
        await #expect(throws: PackageError(.unavailable, "")) { try await missing.install(text) }
    }

    /// Another process that holds dpkg's frontend lock, as apt does.
    private func lockHolder(seconds: String) async throws -> CommandResult {
        let script = """
            open(my $lock, '+<', $ARGV[0]) or die; my $struct = pack('s s l! l! i', 1, 0, 0, 0, 0);
            fcntl($lock, 6, $struct) or die; select(undef, undef, undef, $ARGV[1]);
            """
        let path = root + "/var/lib/dpkg/lock-frontend"
        return try await Command("/usr/bin/perl", ["-e", script, path, seconds]).run(timeout: .seconds(60))
    }

    private static func isZombie(_ process: pid_t) -> Bool {
        guard let bytes = try? BoundedFile.read("/proc/\(process)/stat", limit: 4096) else { return true }
        return String(decoding: bytes, as: UTF8.self).contains(") Z ")
    }
}
