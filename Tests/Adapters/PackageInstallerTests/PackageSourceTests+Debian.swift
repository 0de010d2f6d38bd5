import MusterSystem
import MusterTestSupport
import PackageInstaller
import Testing

extension PackageSourceTests {
    @Suite("Debian packages, by the real dpkg") struct Debian {
        private let fixture: SourceFixture
        private let installer: DpkgInstaller

        init() throws {
            fixture = try SourceFixture()
            installer = DpkgInstaller(root: fixture.root, limits: SourceFixture.limits)
        }

        private func package(_ version: String, _ scripts: [String: String] = [:]) async throws -> OpenFile {
            var package = TestPackage("probe", version)
            package.scripts = scripts
            return try await fixture.file(package)
        }

        private func expectWhole(_ version: String, _ comment: Comment? = nil) async throws {
            #expect(try await installer.state(of: "probe") == .installed(version: version), comment)
            #expect(try fixture.text("usr/share/probe/version") == version + "\n", comment)
        }

        @Test(
            "configuration that someone changed is kept, nothing is asked, and what nobody changed follows the package"
        )
        func configuration() async throws {
            var old = TestPackage("probe", "1.0")
            old.files["etc/probe.conf"] = "as packaged\n"
            old.files["etc/untouched.conf"] = "old\n"
            old.configuration = ["etc/probe.conf", "etc/untouched.conf"]
            var new = old
            new.version = "2.0"
            new.files["etc/probe.conf"] = "packaged anew\n"
            new.files["etc/untouched.conf"] = "new\n"
            try await installer.install(try await fixture.file(old))
            try AtomicFile.write(Array("mine\n".utf8), to: fixture.root + "/etc/probe.conf", mode: 0o644)
            try await installer.install(try await fixture.file(new))
            #expect(try await installer.state(of: "probe") == .installed(version: "2.0"))
            #expect(try fixture.text("etc/probe.conf") == "mine\n")
            #expect(try fixture.text("etc/probe.conf.dpkg-dist") == "packaged anew\n")
            #expect(try fixture.text("etc/untouched.conf") == "new\n")
            try await installer.restore("probe", from: try await fixture.file(old))
            #expect(try fixture.text("etc/probe.conf") == "mine\n")
        }

        @Test(
            "a maintainer script that fails, in the old version or the new one, ends in the whole old version",
            arguments: ["preinst", "postinst", "prerm", "postrm"],
            ["1.0", "2.0"]
        )
        func failingScript(script: String, version: String) async throws {
            let failing = [script: "[ -e \(fixture.folder.file("calm")) ] || exit 9"]
            let old = try await package("1.0", version == "1.0" ? failing : [:])
            // The old version was installed while all was well.
            try fixture.folder.write("calm", [])
            try await installer.install(old)
            try AtomicFile.remove(fixture.folder.file("calm"))
            let new = try await package("2.0", version == "2.0" ? failing : [:])
            do {
                try await installer.install(new)
            } catch {
                #expect(error.code == .failed, "\(error)")
            }
            // A version that cannot be installed at all is none to go back to.
            if version == "1.0", ["preinst", "postinst"].contains(script) { try fixture.folder.write("calm", []) }
            try await installer.restore("probe", from: old)
            try await expectWhole("1.0")
        }

        @Test(
            "dpkg killed in the middle of any script leaves nothing that installing the old version does not mend",
            arguments: ["preinst", "postinst", "prerm", "postrm"]
        )
        func killed(script: String) async throws {
            let mark = fixture.folder.file("kill")
            let deadly = [script: "if [ -e \(mark) ]; then rm \(mark); kill -9 $PPID; sleep 1; fi"]
            let isOld = ["prerm", "postrm"].contains(script)
            let old = try await package("1.0", isOld ? deadly : [:])
            try await installer.install(old)
            try fixture.folder.write("kill", [])
            let new = try await package("2.0", isOld ? [:] : deadly)
            await #expect(throws: PackageError(.failed, "")) { try await installer.install(new) }
            #expect(!Directory.exists(mark))
            try await installer.restore("probe", from: old)
            try await expectWhole("1.0")
        }

        @Test("a version whose scripts fail whenever it goes is removed and gone back from all the same")
        func stubborn() async throws {
            let stubborn = ["prerm": "exit 3", "postrm": "exit 4"]
            try await installer.install(try await package("2.0", stubborn))
            try await installer.restore("probe", from: try await package("1.0"))
            try await expectWhole("1.0")
            try await installer.install(try await package("2.0", stubborn))
            try await installer.remove("probe")
            #expect(try await installer.state(of: "probe") == .absent)
        }

        @Test(
            "what is unpacked or half-configured is configured to its end; what is half-installed says that it needs a file"
        )
        func halfStates() async throws {
            let calm = fixture.folder.file("calm")
            let file = try await package("1.0", ["postinst": "[ -e \(calm) ]"])
            await #expect(throws: PackageError(.failed, "")) { try await installer.install(file) }
            #expect(
                try await installer.state(of: "probe") == .partial(version: "1.0", status: "half-configured")
            )
            await #expect(throws: PackageError(.failed, "")) { try await installer.repair("probe") }
            try fixture.folder.write("calm", [])
            try await installer.repair("probe")
            try await expectWhole("1.0")

            let options = ["--root=\(fixture.root)", "--force-script-chrootless", "--unpack", file.path]
            let unpacked = try await Command("/usr/bin/dpkg", options).run(timeout: .seconds(120))
            try #require(unpacked.succeeded, "\(unpacked.errorText)")
            #expect(try await installer.state(of: "probe") == .partial(version: "1.0", status: "unpacked"))
            try await installer.repair("probe")
            try await expectWhole("1.0")

            // As a power cut in the middle of unpacking leaves it.
            let status = fixture.root + "/var/lib/dpkg/status"
            let text = String(decoding: try BoundedFile.read(status, limit: 65536), as: UTF8.self)
            let parts = text.split(separator: "install ok installed", omittingEmptySubsequences: false)
            try #require(parts.count == 2)
            try AtomicFile.write(
                Array((parts[0] + "install reinstreq half-installed" + parts[1]).utf8),
                to: status,
                mode: 0o644
            )
            #expect(
                try await installer.state(of: "probe") == .partial(version: "1.0", status: "half-installed reinstreq")
            )
            await #expect(throws: PackageError(.failed, "")) { try await installer.repair("probe") }
            try await installer.install(file)
            try await expectWhole("1.0")
            try await installer.repair("probe")
            try await installer.repair("never-there")
        }

        @Test("a dpkg that another process locks is waited for, and after a bounded time nothing was changed")
        func locked() async throws {
            try await installer.install(try await package("1.0"))
            let new = try await package("2.0")
            let holder = try await fixture.holdLock(fixture.root + "/var/lib/dpkg/lock-frontend")
            var limits = SourceFixture.limits
            limits.lock = .milliseconds(200)
            let impatient = DpkgInstaller(root: fixture.root, limits: limits)
            await #expect(throws: PackageError(.locked, "")) { try await impatient.install(new) }
            try await expectWhole("1.0")
            async let installed: Void = installer.install(new)
            try await Task.sleep(for: .milliseconds(300))
            try AtomicFile.remove(holder.release)
            try await installed
            try await expectWhole("2.0")
            _ = try await holder.ended.value
        }
    }
}
