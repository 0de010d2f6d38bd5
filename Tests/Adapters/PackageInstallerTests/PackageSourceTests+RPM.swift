import MusterModel
import MusterSystem
import MusterTestSupport
import RPMPackage
import Testing

@testable import PackageInstaller

extension PackageSourceTests {
    @Suite("rpms, by the real rpm") struct RPM {
        private let fixture: SourceFixture
        private let installer: RPMInstaller

        init() throws {
            fixture = try SourceFixture()
            installer = RPMInstaller(root: fixture.root, limits: SourceFixture.limits)
        }

        private func package(_ version: String, _ scripts: [String: String] = [:]) async throws -> OpenFile {
            var package = TestRPM("probe", version)
            package.scripts = scripts
            return try await fixture.file(package)
        }

        private func expectWhole(_ version: String, _ comment: Comment? = nil) async throws {
            #expect(try await installer.state(of: "probe") == .installed(version: version + "-1"), comment)
            #expect(try fixture.text("usr/share/probe/version") == version + "\n", comment)
        }

        @Test("an epoch of 0 that the package says is none, wherever its version is told")
        func epochZero() async throws {
            var package = TestRPM("probe", "1.0")
            package.epoch = 0
            let file = try await fixture.file(package)
            #expect(try PackageFile.inspect(file).identity.version == "1.0-1")
            try await installer.install(file)
            try await expectWhole("1.0")
            #expect(try await installer.versions(of: ["probe"]) == ["probe": "1.0-1"])
        }

        @Test(
            "a package that rpmbuild built is inspected, whatever its compression",
            arguments: ["w2.gzdio", "w2.xzdio", "w2.zstdio", "w2.bzdio"]
        )
        func inspected(payload: String) async throws {
            var package = TestRPM("probe", "2.0~rc1")
            package.epoch = 4
            package.architecture = "x86_64"
            package.payload = payload
            let inspected = try PackageFile.inspect(try await fixture.file(package))
            #expect(inspected.identity.format == .rpm)
            #expect(inspected.identity.description == "probe 4:2.0~rc1-1 amd64")
            #expect(inspected.fileName == "probe-2.0~rc1-1.x86_64.rpm")
            #expect(inspected.control == nil)
        }

        @Test("an rpm with changed bytes, or cut off, is refused or says the same of itself")
        func damaged() async throws {
            let bytes = try await TestRPM("probe", "1.0").build()
            var generator = SeededGenerator(seed: 5)
            var refused = 0
            for round in 0..<400 {
                if round % 20 == 0 { await Task.yield() }
                var changed = bytes
                changed[Int.random(in: 0..<bytes.count, using: &generator)] ^=
                    1 << UInt8.random(in: 0..<8, using: &generator)
                if round % 4 == 0 { changed = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator))) }
                do {
                    let read = try PackageFile.inspect(try fixture.file("damaged.rpm", changed))
                    #expect(read.identity.description == "probe 1.0-1 all")
                } catch let error as PackageError {
                    #expect([.malformed, .tooLarge].contains(error.code), "\(error)")
                    refused += 1
                }
            }
            // What lies in the signature header's reserved space changes nothing.
            #expect(refused >= 100)
        }

        @Test("installs, upgrades, goes back and removes in a private root")
        func lifecycle() async throws {
            #expect(try await installer.state(of: "probe") == .absent)
            #expect(try await installer.versions(of: ["probe"]) == [:])
            try await installer.install(try await package("1.0"))
            try await expectWhole("1.0")
            try await installer.install(try await package("2.0"))
            #expect(try await installer.versions(of: ["probe", "other"]) == ["probe": "2.0-1"])
            try await installer.install(try await package("1.0"))
            try await expectWhole("1.0")
            var epoch = TestRPM("probe", "0.5")
            epoch.epoch = 1
            try await installer.install(try await fixture.file(epoch))
            #expect(try await installer.state(of: "probe") == .installed(version: "1:0.5-1"))
            try await installer.restore("probe", from: try await package("2.0"))
            try await expectWhole("2.0")
            try await installer.remove("probe")
            #expect(try await installer.state(of: "probe") == .absent)
            #expect(!Directory.exists(fixture.root + "/usr/share/probe/version"))
            try await installer.remove("probe")
        }

        @Test("a package swapped after verification is not what gets installed")
        func swapped() async throws {
            let good = try await package("1.0")
            _ = try PackageFile.inspect(good)
            try AtomicFile.write(try await TestRPM("probe", "6.6.6").build(), to: good.path)
            try await installer.install(good)
            try await expectWhole("1.0")
        }

        @Test("configuration that someone changed is kept where the package wants it kept")
        func configuration() async throws {
            var old = TestRPM("probe", "1.0")
            old.files["etc/probe.conf"] = "as packaged\n"
            old.configuration = ["etc/probe.conf"]
            var new = old
            new.version = "2.0"
            new.files["etc/probe.conf"] = "packaged anew\n"
            try await installer.install(try await fixture.file(old))
            try AtomicFile.write(Array("mine\n".utf8), to: fixture.root + "/etc/probe.conf", mode: 0o644)
            try await installer.install(try await fixture.file(new))
            #expect(try fixture.text("etc/probe.conf") == "mine\n")
            #expect(try fixture.text("etc/probe.conf.rpmnew") == "packaged anew\n")
        }

        @Test(
            "a scriptlet that fails, in the old version or the new one, ends in the whole old version",
            arguments: ["pre", "post", "preun", "postun", "pretrans", "posttrans"],
            ["1.0", "2.0"]
        )
        func failingScript(section: String, version: String) async throws {
            try await fixture.addShell()
            let failing = [section: "[ -e /calm ] || exit 9"]
            let old = try await package("1.0", version == "1.0" ? failing : [:])
            try fixture.folder.write("root/calm", [])
            try await installer.install(old)
            try await expectWhole("1.0")
            try AtomicFile.remove(fixture.root + "/calm")
            let new = try await package("2.0", version == "2.0" ? failing : [:])
            do throws(PackageError) {
                try await installer.install(new)
                // Only what runs when the version that has it comes, or what runs when it goes, can let this pass.
                #expect(version == "1.0" || ["preun", "postun"].contains(section))
            } catch {
                // Two versions beside each other share their files, which are those of one of them.
                #expect([.failed, .damaged].contains(error.code), "\(error)")
            }
            try await installer.restore("probe", from: old)
            try await expectWhole("1.0")
        }

        @Test(
            "rpm killed in the middle of a scriptlet leaves nothing that installing the old version does not mend",
            arguments: ["pre", "post", "preun"]
        )
        func killed(section: String) async throws {
            try await fixture.addShell()
            let deadly = [section: "if [ -e /kill ]; then kill -9 $PPID; fi"]
            let old = try await package("1.0", section == "preun" ? deadly : [:])
            try await installer.install(old)
            try fixture.folder.write("root/kill", [])
            let new = try await package("2.0", section == "preun" ? [:] : deadly)
            let error = await #expect(throws: PackageError.self) { try await installer.install(new) }
            #expect([.failed, .damaged].contains(error?.code))
            try AtomicFile.remove(fixture.root + "/kill")
            try await installer.restore("probe", from: old)
            try await expectWhole("1.0")
        }

        @Test("two versions beside each other, as an upgrade that was cut off leaves them, become one")
        func twice() async throws {
            try await installer.install(try await package("1.0"))
            let both = ["--root", fixture.root, "--dbpath", "/var/lib/rpm", "--nodeps", "--force", "-i"]
            let forced = try await Command("/usr/bin/rpm", both + [try await package("2.0").path])
                .run(timeout: .seconds(120))
            try #require(forced.succeeded, "\(forced.errorText)")
            guard case .partial(version: "2.0-1", _) = try await installer.state(of: "probe") else {
                Issue.record("two versions are taken for one")
                return
            }
            #expect(try await installer.versions(of: ["probe"]) == [:])
            try await installer.repair("probe")
            try await expectWhole("2.0")
            try await installer.repair("probe")
        }

        @Test("files that a failed installation left in no whole version are told from nothing changed")
        func damagedFiles() async throws {
            try await fixture.addShell()
            let old = try await package("1.0")
            try await installer.install(old)
            let bad = try await package("2.0", ["pre": "echo 2.0 > /usr/share/probe/version; exit 1"])
            await #expect(throws: PackageError(.damaged, "")) { try await installer.install(bad) }
            #expect(try await installer.state(of: "probe") == .installed(version: "1.0-1"))
            try await installer.restore("probe", from: old)
            try await expectWhole("1.0")
        }

        @Test("a version whose scriptlets fail whenever it goes is removed all the same")
        func stubborn() async throws {
            try await fixture.addShell()
            try await installer.install(try await package("2.0", ["preun": "exit 3"]))
            try await installer.remove("probe")
            #expect(try await installer.state(of: "probe") == .absent)
        }

        @Test("a database that another process locks is waited for, and after a bounded time nothing was changed")
        func locked() async throws {
            try await installer.install(try await package("1.0"))
            let new = try await package("2.0")
            let holder = try await fixture.holdLock(fixture.root + "/var/lib/rpm/.rpm.lock")
            var limits = SourceFixture.limits
            limits.lock = .milliseconds(200)
            let impatient = RPMInstaller(root: fixture.root, limits: limits)
            await #expect(throws: PackageError(.locked, "")) { try await impatient.install(new) }
            try await expectWhole("1.0")
            async let installed: Void = installer.install(new)
            try await Task.sleep(for: .milliseconds(300))
            try AtomicFile.remove(holder.release)
            try await installed
            try await expectWhole("2.0")
            _ = try await holder.ended.value
        }

        @Test("a file that is no rpm, and an rpm that is missing, are errors")
        func bad() async throws {
            let text = try fixture.file("text.rpm", Array("no package".utf8))
            await #expect(throws: PackageError(.malformed, "")) { try await installer.install(text) }
            let good = try await package("1.0")
            let missing = RPMInstaller(root: fixture.root, rpm: "/no/rpm")
            await #expect(throws: PackageError(.unavailable, "")) { try await missing.install(good) }
        }
    }
}
